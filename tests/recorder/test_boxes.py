"""Places are even, inside the picture, and do not touch one another."""

from __future__ import annotations

from itertools import combinations

import pytest

from appliance.recorder import boxes
from appliance.recorder.boxes import Box

SIZES = [(640, 360), (1280, 720), (1920, 1080), (854, 480)]


def _apart(one: Box, other: Box) -> bool:
    return (
        one.x + one.width <= other.x
        or other.x + other.width <= one.x
        or one.y + one.height <= other.y
        or other.y + other.height <= one.y
    )


def _check(found: list[Box], width: int, height: int) -> None:
    for box in found:
        assert all(value % 2 == 0 for value in (box.x, box.y, box.width, box.height))
        assert min(box.x, box.y) >= 0
        assert min(box.width, box.height) > 16
        assert box.x + box.width <= width
        assert box.y + box.height <= height
    assert all(_apart(one, other) for one, other in combinations(found, 2))


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 9, 16, 25])
def test_a_grid(width: int, height: int, count: int) -> None:
    found = boxes.grid(width, height, count)
    assert len(found) == count
    _check([boxes.bar(width, height), *found], width, height)
    assert all(abs(box.width / box.height - 16 / 9) < 0.08 for box in found)
    assert sum(box.width * box.height for box in found) > 0.4 * width * height


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("count", range(1, boxes.STRIP_TILES + 1))
def test_a_stage_with_its_strip(width: int, height: int, count: int) -> None:
    stage, strip = boxes.stage(width, height), boxes.strip(width, height, count)
    _check([boxes.bar(width, height), stage, *strip], width, height)
    assert stage.width > 0.75 * width


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_somebody_alone(width: int, height: int) -> None:
    _check([boxes.bar(width, height), boxes.single(width, height)], width, height)
