"""Scenes onto a canvas: pictures scaled into their tiles, with plates; only what changed is painted again.

Owns fitting and cropping. Refuses to know time: it is told which picture each track shows now.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation, VideoReformatter

from appliance.recorder import boxes
from appliance.recorder.boxes import Box, even
from appliance.recorder.labels import BACKGROUND, SPEAKING, TILE, Labels
from appliance.recorder.layout import Scene, Tile
from appliance.recorder.picture import Canvas, Patch, turned
from appliance.recorder.pictures import Pictures

# A 4:3 camera fills a 16:9 tile and loses a quarter of its height; a telephone held upright is shown whole.
_MOST_CROPPED = math.log(1.4)


@dataclass(slots=True)
class _Place:
    """A tile of the scene and what is painted there."""

    tile: Tile
    is_large: bool
    pictures: Pictures | None
    scaler: VideoReformatter
    painted: int = -1


class Painter:
    """Paints one scene after the other onto one canvas."""

    def __init__(self, width: int, height: int, labels: Labels, find: Callable[[str], Pictures]) -> None:
        """``find`` gives the pictures of a track."""
        self.canvas = Canvas(width, height)
        self._labels = labels
        self._find = find
        self._places: list[_Place] = []
        self._border = max(2, even(height * 0.005))

    def begin(self, scene: Scene) -> None:
        """Paint what of a scene does not move."""
        canvas = self.canvas
        canvas.fill(Box(0, 0, canvas.width, canvas.height), BACKGROUND)
        bar = boxes.bar(canvas.width, canvas.height)
        canvas.paste(self._labels.title(scene.title, bar.width, bar.height), bar.x, bar.y)
        largest = max((tile.box.width for tile in scene.tiles), default=0)
        alike = all(tile.box.width == largest for tile in scene.tiles) and len(scene.tiles) > 1
        self._places = [
            _Place(
                tile,
                not alike and tile.box.width == largest,
                None if tile.track is None else self._find(tile.track),
                VideoReformatter(),
            )
            for tile in scene.tiles
        ]

    def go_on(self, at_us: int) -> bool:
        """Paint what moved until then; whether anything did. OSError of the disk."""
        changed = False
        for place in self._places:
            number = 0
            if place.pictures is not None:
                place.pictures.advance(at_us)
                number = place.pictures.number
            if number != place.painted:
                place.painted = number
                self._paint(place)
                changed = True
        return changed

    def _paint(self, place: _Place) -> None:
        tile = place.tile
        if tile.more:
            self.canvas.paste(self._labels.more(tile.more, tile.box.width, tile.box.height), tile.box.x, tile.box.y)
            return
        picture = None if place.pictures is None else place.pictures.picture
        seen = tile.box
        if picture is None:
            patch = self._labels.initials(tile.participant_id, tile.name, tile.box.width, tile.box.height)
            self.canvas.paste(patch, tile.box.x, tile.box.y)
        else:
            seen = self._paint_picture(place, picture)
        self._paint_plate(tile, seen)
        if tile.speaking:
            self._paint_border(tile.box)

    def _paint_picture(self, place: _Place, picture: av.VideoFrame) -> Box:
        """Scale a picture into its tile; the part of the tile that it fills."""
        box = place.tile.box
        turns = 0 if place.pictures is None else place.pictures.turns
        wide, high = (picture.height, picture.width) if turns % 2 else (picture.width, picture.height)
        off = math.log(wide * box.height / (high * box.width))
        cropped = not place.tile.is_screen and not place.is_large and abs(off) < _MOST_CROPPED
        scale = (max if cropped else min)(box.width / wide, box.height / high)
        width, height = max(2, even(wide * scale + 0.5)), max(2, even(high * scale + 0.5))
        if cropped:
            width, height = max(width, box.width), max(height, box.height)
        else:
            width, height = min(width, box.width), min(height, box.height)
        lying = (height, width) if turns % 2 else (width, height)
        patch = turned(_scaled(place.scaler, picture, *lying, place.tile.is_screen), turns)
        if cropped:
            left, top = even((width - box.width) / 2), even((height - box.height) / 2)
            self.canvas.paste(_cut(patch, left, top, box.width, box.height), box.x, box.y)
            return box
        seen = Box(box.x + even((box.width - width) / 2), box.y + even((box.height - height) / 2), width, height)
        if seen != box:
            self.canvas.fill(box, BACKGROUND if place.is_large else TILE)
        self.canvas.paste(patch, seen.x, seen.y)
        return seen

    def _paint_plate(self, tile: Tile, seen: Box) -> None:
        if not tile.name and not tile.muted:
            return
        plate = self._labels.plate(tile.name, tile.muted, even(seen.width * 0.9))
        if plate.width <= seen.width and plate.height <= seen.height:
            self.canvas.paste(plate, seen.x, seen.y + seen.height - plate.height)

    def _paint_border(self, box: Box) -> None:
        line = self._border
        self.canvas.fill(Box(box.x, box.y, box.width, line), SPEAKING)
        self.canvas.fill(Box(box.x, box.y + box.height - line, box.width, line), SPEAKING)
        self.canvas.fill(Box(box.x, box.y, line, box.height), SPEAKING)
        self.canvas.fill(Box(box.x + box.width - line, box.y, line, box.height), SPEAKING)


def _scaled(scaler: VideoReformatter, picture: av.VideoFrame, width: int, height: int, is_screen: bool) -> Patch:
    if picture.width > 2 * width:
        how = Interpolation.AREA
    else:
        how = Interpolation.BICUBIC if is_screen else Interpolation.FAST_BILINEAR
    # Browsers capture BT.601; a camera's own encoder may say BT.709, and then FFmpeg converts.
    is_709 = picture.colorspace == Colorspace.ITU709
    scaled = scaler.reformat(
        picture,
        width,
        height,
        "yuv420p",
        src_colorspace=Colorspace.ITU709 if is_709 else None,
        dst_colorspace=Colorspace.ITU601 if is_709 else None,
        dst_color_range=ColorRange.MPEG,
        interpolation=how,
        threads=1,
    )
    y, u, v = (
        np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[: plane.height, : plane.width]
        for plane in scaled.planes
    )
    return Patch(y, u, v)


def _cut(patch: Patch, left: int, top: int, width: int, height: int) -> Patch:
    half = slice(top // 2, (top + height) // 2), slice(left // 2, (left + width) // 2)
    return Patch(patch.y[top : top + height, left : left + width], patch.u[half], patch.v[half])
