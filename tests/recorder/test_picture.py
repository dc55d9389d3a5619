"""Planes hold the colours that were meant, where they were meant."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from appliance.recorder.boxes import Box
from appliance.recorder.picture import Canvas, patch_of, yuv


@pytest.mark.parametrize(
    ("rgb", "expected"),
    [((0, 0, 0), (16, 128, 128)), ((255, 255, 255), (235, 128, 128)), ((255, 0, 0), (81, 90, 240))],
)
def test_colours(rgb: tuple[int, int, int], expected: tuple[int, int, int]) -> None:
    assert yuv(rgb) == expected
    patch = patch_of(Image.new("RGB", (4, 2), rgb))
    assert (patch.width, patch.height) == (4, 2)
    found = (int(patch.y[0, 0]), int(patch.u[0, 0]), int(patch.v[0, 0]))
    assert all(abs(a - b) <= 1 for a, b in zip(found, expected, strict=True))


def test_a_canvas_lies_as_encoders_take_it() -> None:
    canvas = Canvas(8, 4)
    canvas.fill(Box(0, 0, 8, 4), (0, 0, 0))
    canvas.fill(Box(2, 0, 4, 2), (255, 0, 0))
    assert canvas.whole.shape == (6, 8)
    assert canvas.whole.flags.c_contiguous
    assert canvas.whole[0].tolist() == [16, 16, 81, 81, 81, 81, 16, 16]
    assert canvas.whole.reshape(-1)[32:40].tolist() == [128, 90, 90, 128, 128, 128, 128, 128]


def test_a_patch_is_pasted_into_all_planes() -> None:
    canvas = Canvas(8, 8)
    canvas.fill(Box(0, 0, 8, 8), (0, 0, 0))
    canvas.paste(patch_of(Image.new("RGB", (4, 2), (255, 255, 255))), 4, 6)
    assert np.argwhere(canvas.y == 235).tolist() == [[y, x] for y in (6, 7) for x in (4, 5, 6, 7)]
    assert (canvas.width, canvas.height) == (8, 8)
