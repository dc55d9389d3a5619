"""Where on the picture things stand; pure.

Owns proportions. Every coordinate and size is even: chroma planes have half the size.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

# Shares of the height: the line with the title, and the space between tiles.
_BAR = 0.05
_GAP = 0.011
# Of the width: five 16:9 tiles of it fill the height below the bar.
_STRIP = 0.178
STRIP_TILES = 5


@dataclass(frozen=True, slots=True)
class Box:
    """In luma pixels."""

    x: int
    y: int
    width: int
    height: int


def even(value: float) -> int:
    """The even number at or below."""
    return int(value) // 2 * 2


def bar(width: int, height: int) -> Box:
    """Of the title."""
    return Box(0, 0, width, even(height * _BAR))


def single(width: int, height: int) -> Box:
    """All but the bar."""
    gap = even(height * _GAP)
    top = bar(width, height).height
    return Box(gap, top, even(width - 2 * gap), even(height - top - gap))


def stage(width: int, height: int) -> Box:
    """The large place beside the strip."""
    whole = single(width, height)
    gap = whole.x
    return Box(whole.x, whole.y, even(whole.width - even(width * _STRIP) - gap), whole.height)


def strip(width: int, height: int, count: int) -> list[Box]:
    """At most `STRIP_TILES` places on the right, from the top, together in the middle."""
    whole = single(width, height)
    gap = whole.x
    tile_width = even(width * _STRIP)
    tile_height = even(tile_width * 9 / 16)
    tall = count * tile_height + (count - 1) * gap
    top = whole.y + even(max(whole.height - tall, 0) / 2)
    left = whole.x + whole.width - tile_width
    return [Box(left, top + n * (tile_height + gap), tile_width, tile_height) for n in range(count)]


def grid(width: int, height: int, count: int) -> list[Box]:
    """``count`` 16:9 tiles, as large as they can be; a last row that is short is centred."""
    whole = single(width, height)
    gap = whole.x
    best, columns = 0.0, 1
    for tried in range(1, count + 1):
        rows = math.ceil(count / tried)
        fits = min((whole.width - (tried - 1) * gap) / tried, (whole.height - (rows - 1) * gap) / rows * 16 / 9)
        if fits > best:
            best, columns = fits, tried
    tile_width, tile_height = even(best), even(best * 9 / 16)
    rows = math.ceil(count / columns)
    top = whole.y + even((whole.height - rows * tile_height - (rows - 1) * gap) / 2)
    boxes = []
    for n in range(count):
        row, column = divmod(n, columns)
        in_row = min(columns, count - row * columns)
        left = whole.x + even((whole.width - in_row * tile_width - (in_row - 1) * gap) / 2)
        boxes.append(Box(left + column * (tile_width + gap), top + row * (tile_height + gap), tile_width, tile_height))
    return boxes
