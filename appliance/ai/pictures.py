"""Pictures from a stranger into pixels, and back: JPEG, PNG, WebP. Pure.

Owns the bounds, which are checked by the header before a pixel is decoded, and that a picture stands upright. Frames of
live video are `frames`'.
"""

from __future__ import annotations

import io
import struct
from typing import Literal, cast

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from appliance.inference.task import TaskError

Pixels = NDArray[np.uint8]
"""RGB of shape (height, width, 3)."""

PictureFormat = Literal["jpeg", "png", "webp"]
FORMATS: tuple[PictureFormat, ...] = ("jpeg", "png", "webp")

MAX_PIXELS = 50_000_000
"""A photograph of a present telephone has 12 to 50 megapixels; 50 take 150 MB in RGB."""
MIN_SIDE = 16
"""Nothing can be seen in less."""
QUALITY = 90
"""Of JPEG and WebP that are given back: made better, they are not to be made worse."""

# Our own bound is checked before a pixel is decoded; Pillow's only warns.
Image.MAX_IMAGE_PIXELS = None


def decode_picture_untrusted(data: bytes, max_pixels: int = MAX_PIXELS) -> Pixels:
    """The picture, upright, without transparency. Of several in one file, the first.

    TaskError ``bad_picture``, and ``picture_too_large`` before memory is taken for it.
    """
    if not data:
        raise TaskError("bad_picture", "no picture: 0 bytes")
    try:
        with Image.open(io.BytesIO(data), formats=[name.upper() for name in FORMATS]) as picture:
            width, height = picture.size
            if width * height > max_pixels:
                raise TaskError("picture_too_large", f"{width}×{height} pixels, more than {max_pixels / 1e6:g} million")
            if min(width, height) < MIN_SIDE:
                raise TaskError("bad_picture", f"{width}×{height} pixels, less than {MIN_SIDE}×{MIN_SIDE}")
            upright = ImageOps.exif_transpose(picture)
            return np.array(_on_black(upright), np.uint8)
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, MemoryError) as error:
        raise TaskError("bad_picture", f"not readable as JPEG, PNG or WebP: {str(error).lower()[:120]}") from None


def _on_black(picture: Image.Image) -> Image.Image:
    if picture.mode in ("RGBA", "LA", "PA") or "transparency" in picture.info:
        layer = picture.convert("RGBA")
        ground = Image.new("RGBA", layer.size, (0, 0, 0, 255))
        return Image.alpha_composite(ground, layer).convert("RGB")
    return picture.convert("RGB")


def format_of_untrusted(data: bytes) -> PictureFormat:
    """What it is, by its first bytes; "jpeg" where it is none of them."""
    if data.startswith(b"\x89PNG"):
        return "png"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    return "jpeg"


def encode_picture(pixels: Pixels, picture_format: PictureFormat) -> bytes:
    """A file of it."""
    out = io.BytesIO()
    picture = Image.fromarray(pixels)
    if picture_format == "png":
        picture.save(out, "PNG", compress_level=4)
    elif picture_format == "webp":
        picture.save(out, "WEBP", quality=QUALITY, method=2)
    else:
        picture.save(out, "JPEG", quality=QUALITY)
    return out.getvalue()


def scaled(pixels: Pixels, width: int, height: int, method: Image.Resampling = Image.Resampling.BILINEAR) -> Pixels:
    """At another size."""
    return cast(Pixels, np.asarray(Image.fromarray(pixels).resize((width, height), method), np.uint8))


def cropped(pixels: Pixels, box: tuple[float, float, float, float]) -> Pixels:
    """A part: left, top, right, bottom in pixels; what lies outside is black."""
    return cast(Pixels, np.asarray(Image.fromarray(pixels).crop(box), np.uint8))


def greyscale(pixels: Pixels) -> Pixels:
    """Luma (ITU-R BT.601), of shape (height, width)."""
    return cast(Pixels, np.asarray(Image.fromarray(pixels).convert("L"), np.uint8))
