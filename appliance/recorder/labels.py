"""What is drawn besides pictures: name plates, initials, the title, a crossed-out microphone.

Owns their looks, in the web UI's colours; refuses to know scenes. Everything is opaque, so that a plate over a moving
picture costs a copy and no blending.
"""

from __future__ import annotations

import zlib
from functools import lru_cache

from PIL import Image, ImageDraw

from appliance.recorder.boxes import even
from appliance.recorder.picture import Patch, Rgb, patch_of
from appliance.recorder.typeface import Typeface, clean

BACKGROUND: Rgb = (16, 18, 22)
TILE: Rgb = (38, 42, 50)
_PLATE: Rgb = (22, 24, 30)
_TEXT: Rgb = (240, 242, 245)
_DIM: Rgb = (176, 182, 192)
_MUTED: Rgb = (240, 96, 88)
SPEAKING: Rgb = (64, 196, 120)
# Of the discs with initials: one of these by who it is, always the same.
_DISCS: tuple[Rgb, ...] = (
    (66, 133, 244), (219, 68, 85), (15, 157, 88), (171, 71, 188),
    (0, 150, 167), (230, 81, 0), (92, 107, 192), (120, 144, 60),
)  # fmt: skip
# Of the film's height.
_TEXT_SHARE = 0.026
_SMALLEST_TEXT_PX = 11
# A meeting of a thousand has as many initials; each is drawn when it is first seen.
_KEPT = 512


class Labels:
    """Drawn once each and kept."""

    def __init__(self, height: int) -> None:
        """``height`` of the film."""
        size = max(_SMALLEST_TEXT_PX, round(height * _TEXT_SHARE))
        self._text = Typeface(size)
        self._faces: dict[int, Typeface] = {size: self._text}
        self._pad = max(2, size // 3)
        self.plate = lru_cache(_KEPT)(self._plate)
        """(name, muted, most width) → the plate with a name."""
        self.initials = lru_cache(_KEPT)(self._initials)
        """(who, name, width, height) → a tile without a picture."""
        self.title = lru_cache(8)(self._title)
        """(title, width, height) → the bar."""
        self.more = lru_cache(32)(self._more)
        """(how many, width, height) → a tile that says so."""

    @property
    def missing(self) -> str:
        """Characters that no font here has."""
        return "".join(sorted(set().union(*(face.missing for face in self._faces.values()))))

    def _plate(self, name: str, muted: bool, most: int) -> Patch:
        icon = self._text.ascent if muted else 0
        room = most - 3 * self._pad - icon
        text = self._text.mask(name, max(room, 1)) if clean(name) else None
        width = 2 * self._pad + icon + (text.width + (self._pad if icon else 0) if text else 0)
        height = self._text.ascent + self._text.descent + self._pad // 2
        picture = Image.new("RGB", (_up(min(width, most)), _up(height)), _PLATE)
        x = self._pad
        if muted:
            picture.paste(_MUTED, (x, (picture.height - icon) // 2), _microphone(icon))
            x += icon + self._pad
        if text:
            picture.paste(_TEXT, (x, (picture.height - text.height) // 2), text)
        return patch_of(picture)

    def _initials(self, who: str, name: str, width: int, height: int) -> Patch:
        picture = Image.new("RGB", (width, height), TILE)
        size = even(min(width, height) * 0.46)
        if size >= 16:
            disc = Image.new("L", (4 * size, 4 * size))
            ImageDraw.Draw(disc).ellipse((0, 0, 4 * size - 1, 4 * size - 1), fill=255)
            corner = ((width - size) // 2, (height - size) // 2)
            picture.paste(_DISCS[zlib.crc32(who.encode()) % len(_DISCS)], corner, disc.resize((size, size)))
            text = self._face(max(8, round(size * 0.42))).mask(initials_of(name), size)
            picture.paste(_TEXT, ((width - text.width) // 2, (height - text.height) // 2), text)
        return patch_of(picture)

    def _title(self, title: str, width: int, height: int) -> Patch:
        picture = Image.new("RGB", (width, height), BACKGROUND)
        if clean(title):
            text = self._text.mask(title, width - 4 * self._pad)
            picture.paste(_DIM, (2 * self._pad, (height - text.height) // 2), text)
        return patch_of(picture)

    def _more(self, count: int, width: int, height: int) -> Patch:
        picture = Image.new("RGB", (width, height), TILE)
        text = self._face(max(8, round(min(width, height) * 0.2))).mask(f"+{count}", width)
        picture.paste(_DIM, ((width - text.width) // 2, (height - text.height) // 2), text)
        return patch_of(picture)

    def _face(self, size: int) -> Typeface:
        if size not in self._faces:
            self._faces[size] = Typeface(size)
        return self._faces[size]


def initials_of(name: str) -> str:
    """One or two letters: of the first and the last word; of a Chinese name its last two characters, as phones do."""
    words = clean(name).split()
    if not words:
        return "?"
    if len(words) == 1 and len(words[0]) <= 4 and all(ord(c) >= 0x2E80 for c in words[0]):
        return words[0][-2:]
    letters = [word[0] for word in (words[0], words[-1])][: len(words)]
    return "".join(letters).upper()


def _microphone(size: int) -> Image.Image:
    """A crossed-out microphone as a mask."""
    big = 4 * size
    mask = Image.new("L", (big, big))
    draw = ImageDraw.Draw(mask)
    line = max(4, big // 11)
    draw.rounded_rectangle((big * 0.36, big * 0.06, big * 0.64, big * 0.58), radius=big * 0.14, fill=255)
    draw.arc((big * 0.22, big * 0.22, big * 0.78, big * 0.76), 0, 180, fill=255, width=line)
    draw.line((big * 0.5, big * 0.74, big * 0.5, big * 0.92), fill=255, width=line)
    draw.line((big * 0.1, big * 0.1, big * 0.9, big * 0.9), fill=0, width=3 * line)
    draw.line((big * 0.1, big * 0.1, big * 0.9, big * 0.9), fill=255, width=line)
    return mask.resize((size, size))


def _up(value: int) -> int:
    """The even number at or above, for pictures that a small tile still holds."""
    return value + value % 2
