"""Pictures from strangers."""

from __future__ import annotations

import io
import struct
import zlib

import pytest
from PIL import Image

from appliance.api.avatar_image import MAX_PIXELS, SIZE, make_avatar_untrusted
from appliance.errors import UserError


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def decoded(data: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(data))
    picture.load()
    return picture


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF"])
@pytest.mark.parametrize("size", [(1, 1), (640, 360), (99, 1000)])
def test_every_format_and_shape_becomes_a_square(kind: str, size: tuple[int, int]) -> None:
    avatar = decoded(make_avatar_untrusted(encoded(Image.new("RGB", size, (200, 30, 30)), kind)))
    assert (avatar.format, avatar.size) == ("WEBP", (SIZE, SIZE))
    pixel = avatar.convert("RGB").getpixel((128, 128))
    assert isinstance(pixel, tuple) and pixel[0] > 150 and pixel[1] < 80


def test_the_place_where_it_was_taken_is_dropped_and_its_turn_is_kept() -> None:
    picture = Image.new("RGB", (400, 200), "blue")
    picture.paste("red", (0, 0, 200, 200))  # left half
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    exif[0x8825] = {1: "N", 2: (52.0, 31.0, 0.0)}
    data = encoded(picture, "JPEG", exif=exif, comment=b"secret place")
    assert b"secret place" in data
    made = make_avatar_untrusted(data)
    assert b"EXIF" not in made and b"secret" not in made and b"XMP" not in made
    left = decoded(made).convert("RGB").getpixel((10, 128))
    assert isinstance(left, tuple) and left[2] > left[0]  # blue is on the left now


def test_transparency_and_palettes_survive() -> None:
    clear = decoded(make_avatar_untrusted(encoded(Image.new("RGBA", (64, 64), (0, 0, 0, 0)), "PNG")))
    alpha = clear.convert("RGBA").getpixel((5, 5))
    assert isinstance(alpha, tuple) and alpha[3] == 0
    for mode in ("P", "L", "1", "LA", "I;16"):
        assert decoded(make_avatar_untrusted(encoded(Image.new(mode, (64, 64)), "PNG"))).size == (SIZE, SIZE)


def bomb(width: int, height: int) -> bytes:
    """A PNG header of that many pixels, with no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a picture",
        b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        b"GIF89a",
        b"\xff\xd8\xff\xe0" + b"\0" * 100,
        b"RIFF\x00\x00\x00\x00WEBPVP8 ",
        encoded(Image.new("RGB", (64, 64)), "PNG")[:-30],
        encoded(Image.new("RGB", (64, 64)), "BMP"),
        encoded(Image.new("RGB", (64, 64)), "TIFF"),
        encoded(Image.new("RGB", (64, 64)), "PDF"),
        bomb(100_000, 100_000),
        bomb(MAX_PIXELS // 1000 + 1, 1000),
        bomb(10, 10),
    ],
)
def test_everything_else_is_refused(data: bytes) -> None:
    with pytest.raises(UserError) as caught:
        make_avatar_untrusted(data)
    assert (caught.value.status, caught.value.code, caught.value.field) == (400, "invalid_image", "avatar")
