"""Planes of YUV 4:2:0 pictures: filled, pasted, and made from RGB; pure.

Owns the colours' arithmetic: BT.601 in limited range, which is what browsers capture and send unless they say so.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from appliance.recorder.boxes import Box

Plane = NDArray[np.uint8]
Rgb = tuple[int, int, int]


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """A picture, or a part of one; even width and height."""

    y: Plane
    u: Plane
    v: Plane

    @property
    def width(self) -> int:
        """In luma pixels."""
        return int(self.y.shape[1])

    @property
    def height(self) -> int:
        """In luma pixels."""
        return int(self.y.shape[0])


def turned(patch: Patch, quarters: int) -> Patch:
    """So many quarter turns clockwise."""
    return Patch(*(np.rot90(plane, -quarters) for plane in (patch.y, patch.u, patch.v))) if quarters % 4 else patch


class Canvas(Patch):
    """A patch to be painted on, whose planes lie one behind the other as encoders take them."""

    __slots__ = ("whole",)

    def __init__(self, width: int, height: int) -> None:
        whole = np.empty((height * 3 // 2, width), np.uint8)
        flat = whole.reshape(-1)
        luma, chroma = width * height, width * height // 4
        super().__init__(
            flat[:luma].reshape(height, width),
            flat[luma : luma + chroma].reshape(height // 2, width // 2),
            flat[luma + chroma :].reshape(height // 2, width // 2),
        )
        object.__setattr__(self, "whole", whole)

    whole: NDArray[np.uint8]
    """(height × 3 / 2, width)."""

    def fill(self, box: Box, colour: Rgb) -> None:
        """One colour."""
        y, u, v = yuv(colour)
        self.y[box.y : box.y + box.height, box.x : box.x + box.width] = y
        half = slice(box.y // 2, (box.y + box.height) // 2), slice(box.x // 2, (box.x + box.width) // 2)
        self.u[half] = u
        self.v[half] = v

    def paste(self, patch: Patch, x: int, y: int) -> None:
        """``patch`` with its upper left corner there; even, and within the canvas."""
        self.y[y : y + patch.height, x : x + patch.width] = patch.y
        x, y = x // 2, y // 2
        height, width = patch.u.shape
        self.u[y : y + height, x : x + width] = patch.u
        self.v[y : y + height, x : x + width] = patch.v


def yuv(colour: Rgb) -> tuple[int, int, int]:
    """ITU-R BT.601-7 §2.5, limited range."""
    r, g, b = (c / 255 for c in colour)
    y = 0.299 * r + 0.587 * g + 0.114 * b
    return round(16 + 219 * y), round(128 + 224 * (b - y) / 1.772), round(128 + 224 * (r - y) / 1.402)


def patch_of(image: Image.Image) -> Patch:
    """An RGB picture of even size."""
    rgb = np.asarray(image.convert("RGB"), np.float32) / 255
    y = rgb @ np.array([0.299, 0.587, 0.114], np.float32)
    height, width = y.shape
    small = rgb.reshape(height // 2, 2, width // 2, 2, 3).mean(axis=(1, 3))
    luma = small @ np.array([0.299, 0.587, 0.114], np.float32)
    u = 128 + 224 * (small[..., 2] - luma) / 1.772
    v = 128 + 224 * (small[..., 0] - luma) / 1.402
    return Patch(*((plane + 0.5).astype(np.uint8) for plane in (16 + 219 * y, u, v)))
