"""Plates, initials and titles fit where they are put, and are drawn once."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.recorder.labels import Labels, initials_of


@pytest.mark.parametrize(
    ("name", "initials"),
    [
        ("Ann Lee", "AL"),
        ("ann", "A"),
        ("Anna Maria von Stein", "AS"),
        ("李雷", "李雷"),
        ("欧阳娜娜", "娜娜"),
        ("山田 太郎", "山太"),
        ("", "?"),
        (" \n", "?"),
        ("émile zola", "ÉZ"),
    ],
)
def test_initials(name: str, initials: str) -> None:
    assert initials_of(name) == initials


@pytest.mark.parametrize("height", [360, 720, 1080])
def test_everything_is_even_and_fits(height: int) -> None:
    labels = Labels(height)
    plate, muted = labels.plate("Ann", False, 200), labels.plate("Ann", True, 200)
    assert muted.width > plate.width
    long = labels.plate("Bartholomew " * 9, True, 120)
    tile, bar = labels.initials("p", "Ann Lee", 160, 90), labels.title("会议 " * 90, 640, 36)
    more = labels.more(12, 160, 90)
    assert (tile.width, tile.height, bar.width, bar.height, more.width) == (160, 90, 640, 36, 160)
    for patch in (plate, muted, long, tile, bar, more):
        assert patch.width % 2 == patch.height % 2 == 0
        assert patch.u.shape == (patch.height // 2, patch.width // 2)
    assert long.width <= 120
    assert labels.plate("Ann", False, 200) is plate


def test_people_have_colours_of_their_own() -> None:
    labels = Labels(720)
    tiles = {labels.initials(f"prt_{n}", "A", 160, 90).u.tobytes() for n in range(40)}
    assert 4 < len(tiles) <= 8
    assert np.array_equal(labels.initials("x", "A", 160, 90).y, Labels(720).initials("x", "A", 160, 90).y)


def test_tiny_tiles_and_empty_names_are_no_trouble() -> None:
    labels = Labels(360)
    labels.initials("p", "Ann", 16, 10)
    labels.plate("", True, 40)
    labels.plate("\x00", False, 40)
    labels.title("", 64, 16)
    assert labels.missing == ""


def test_what_no_font_has_is_said() -> None:
    labels = Labels(360)
    labels.plate("𒀀", False, 100)
    assert labels.missing == "𒀀"
