"""Pictures are fitted into their places, with plates on them; what stands still is not painted again."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from appliance.recorder import boxes
from appliance.recorder.boxes import Box
from appliance.recorder.frames import Frame
from appliance.recorder.journal import Codec
from appliance.recorder.labels import BACKGROUND, SPEAKING, TILE, Labels
from appliance.recorder.layout import Scene, Tile
from appliance.recorder.painter import Painter
from appliance.recorder.picture import yuv
from appliance.recorder.pictures import Pictures
from tests.support.recorded import encoded

WIDTH, HEIGHT = 640, 360


def _still(luma: int, width: int, height: int, turns: int = 0) -> Pictures:
    """A picture with a bright left edge."""
    whole = np.full((height * 3 // 2, width), 128, np.uint8)
    whole[:height] = luma
    whole[:height, : width // 8] = 230
    ((_, payload),) = encoded(Codec.H264, [whole], width, height, 25)

    def read(_offset: int) -> Iterator[Frame]:
        yield Frame(0, Codec.H264, True, False, payload, turns)

    return Pictures(read, [(0, 0)])


def _tile(box: Box, track: str | None = "t", **how: bool) -> Tile:
    return Tile(box, "p", "Ann", track, **{"muted": False, "speaking": False, **how})


def _painted(pictures: Pictures, *tiles: Tile) -> Painter:
    painter = Painter(WIDTH, HEIGHT, Labels(HEIGHT), lambda track: pictures)
    painter.begin(Scene(0, "Title", tiles))
    assert painter.go_on(0)
    assert not painter.go_on(40_000)
    return painter


def _at(painter: Painter, x: float, y: float) -> int:
    return int(painter.canvas.y[int(y), int(x)])


def test_a_wide_picture_fills_a_wide_place() -> None:
    box = boxes.single(WIDTH, HEIGHT)
    painter = _painted(_still(100, 320, 180), _tile(box))
    assert abs(_at(painter, box.x + box.width / 2, box.y + 40) - 100) < 4
    assert abs(_at(painter, box.x + 30, box.y + box.height / 3) - 230) < 6
    assert _at(painter, 2, 200) == yuv(BACKGROUND)[0]
    plate = painter.canvas.y[box.y + box.height - 12, box.x : box.x + 60]
    assert int(plate.max()) > 150
    assert int(plate.min()) < 40


def test_an_upright_picture_is_shown_whole() -> None:
    box = boxes.grid(WIDTH, HEIGHT, 4)[0]
    other = boxes.grid(WIDTH, HEIGHT, 4)[1]
    painter = _painted(_still(100, 180, 320), _tile(box), _tile(other, None))
    middle = box.x + box.width / 2
    assert abs(_at(painter, middle, box.y + 4) - 100) < 5
    assert _at(painter, box.x + 6, box.y + 20) == yuv(TILE)[0]


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_a_turned_picture_stands_upright(turns: int) -> None:
    """Its bright edge is on the left as it was sent; a quarter turn clockwise brings it up."""
    box = boxes.single(WIDTH, HEIGHT)
    painter = _painted(_still(100, 320, 180, turns), _tile(box))
    wide = box.height * 16 // 9 if turns % 2 == 0 else box.height * 9 // 16
    left, middle = box.x + (box.width - wide) // 2, (box.x + box.width / 2, box.y + box.height / 2)
    low = (middle[0] + wide / 3, box.y + box.height - 6)
    edges = [(left + 6, middle[1]), (middle[0], box.y + 6), (left + wide - 10, middle[1]), low]
    bright = [_at(painter, *edge) > 180 for edge in edges]
    assert bright == [n == turns for n in range(4)]


def test_a_squarer_camera_is_cropped_in_a_tile_and_whole_on_the_stage() -> None:
    strip, stage = boxes.strip(WIDTH, HEIGHT, 1)[0], boxes.stage(WIDTH, HEIGHT)
    painter = _painted(_still(100, 320, 240), _tile(stage), _tile(strip))
    assert abs(_at(painter, strip.x + strip.width - 3, strip.y + 8) - 100) < 5
    assert abs(_at(painter, strip.x + 2, strip.y + 8) - 230) < 8
    assert _at(painter, stage.x + 2, stage.y + stage.height / 2) == yuv(BACKGROUND)[0]


def test_a_screen_is_never_cropped() -> None:
    box = boxes.strip(WIDTH, HEIGHT, 1)[0]
    painter = _painted(_still(100, 320, 240), _tile(boxes.stage(WIDTH, HEIGHT), None), _tile(box, is_screen=True))
    assert _at(painter, box.x + 2, box.y + 8) == yuv(TILE)[0]


@pytest.mark.parametrize("size", [(1920, 1080), (1280, 720), (90, 160), (2, 2), (1000, 30), (333, 251)])
def test_pictures_of_any_size_stay_in_their_places(size: tuple[int, int]) -> None:
    width, height = size[0] // 2 * 2, size[1] // 2 * 2
    tiles = [_tile(box) for box in boxes.grid(WIDTH, HEIGHT, 9)]
    painter = _painted(_still(100, width, height), *tiles)
    gap = tiles[0].box.x + tiles[0].box.width
    assert (painter.canvas.y[40:, gap : gap + 2] == yuv(BACKGROUND)[0]).all()


def test_people_without_a_picture_have_initials_and_speakers_a_frame() -> None:
    box, other = boxes.grid(WIDTH, HEIGHT, 2)
    painter = _painted(_still(100, 320, 180), _tile(box, None, muted=True), _tile(other, None, speaking=True))
    assert _at(painter, box.x + 3, box.y + 3) == yuv(TILE)[0]
    assert _at(painter, other.x + 1, other.y + other.height / 2) == yuv(SPEAKING)[0]
    assert int(painter.canvas.v[: box.height // 2 + box.y // 2, : box.width // 2].max()) > 150  # the red microphone


def test_how_many_more_there_are_is_a_tile_too() -> None:
    box = boxes.strip(WIDTH, HEIGHT, 1)[0]
    rest = Tile(box, "", "", None, muted=False, speaking=False, more=7)
    painter = _painted(_still(100, 320, 180), _tile(boxes.stage(WIDTH, HEIGHT)), rest)
    assert int(painter.canvas.y[box.y : box.y + box.height, box.x : box.x + box.width].max()) > 120


def test_another_scene_begins_clean() -> None:
    painter = _painted(_still(100, 320, 180), _tile(boxes.single(WIDTH, HEIGHT)))
    painter.begin(Scene(1, "", ()))
    assert not painter.go_on(80_000)
    assert set(np.unique(painter.canvas.y)) == {yuv(BACKGROUND)[0]}
