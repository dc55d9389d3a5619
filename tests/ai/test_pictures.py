"""Pictures from strangers."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from appliance.ai.pictures import (
    cropped,
    decode_picture_untrusted,
    encode_picture,
    format_of_untrusted,
    greyscale,
    scaled,
)
from appliance.inference.task import TaskError
from tests.support.ai_sounds import picture

RAMP = np.stack([np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))] * 3, axis=2)


def refused(data: bytes) -> TaskError:
    with pytest.raises(TaskError) as caught:
        decode_picture_untrusted(data)
    return caught.value


@pytest.mark.parametrize(("kind", "worst"), [("PNG", 0), ("JPEG", 12), ("WEBP", 16)])
def test_every_format_gives_the_picture(kind: str, worst: int) -> None:
    data = picture(RAMP, kind)
    pixels = decode_picture_untrusted(data)
    assert pixels.shape == (48, 64, 3)
    assert np.abs(pixels.astype(int) - RAMP).max() <= worst
    assert format_of_untrusted(data) == kind.lower()


def test_what_is_given_back_can_be_read_again() -> None:
    for name in ("jpeg", "png", "webp"):
        data = encode_picture(RAMP, name)
        assert format_of_untrusted(data) == name
        assert np.abs(decode_picture_untrusted(data).astype(int) - RAMP).max() <= 16


def test_one_pixel_is_refused() -> None:
    error = refused(picture(np.zeros((1, 1, 3), np.uint8)))
    assert (error.code, error.message) == ("bad_picture", "1×1 pixels, less than 16×16")


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes that claims, and has, that many black pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    packer = zlib.compressobj(9)
    rows = b"".join(packer.compress(bytes(1 + (width + 7) // 8)) for _ in range(height)) + packer.flush()
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def test_a_hundred_megapixels_are_refused_before_memory_is_taken() -> None:
    import tracemalloc

    data = bomb(10_000, 10_000)
    tracemalloc.start()
    error = refused(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (error.code, error.message) == ("picture_too_large", "10000×10000 pixels, more than 50 million")
    assert peak < 5_000_000


@pytest.mark.parametrize("data", [b"", b"GIF89a" + bytes(40), b"<svg/>", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    assert refused(data).code == "bad_picture"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_picture_that_was_cut_off_is_refused(kind: str) -> None:
    data = picture(np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8), kind)
    assert refused(data[: len(data) // 2]).code == "bad_picture"


def test_it_stands_upright_and_has_a_ground() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by 90 degrees
    turned = decode_picture_untrusted(picture(RAMP, "JPEG", exif=exif))
    assert turned.shape == (64, 48, 3)
    layer = np.zeros((32, 32, 4), np.uint8)
    layer[..., 0] = 200
    layer[:16, :, 3] = 255
    pixels = decode_picture_untrusted(picture(layer))
    assert pixels[0, 0].tolist() == [200, 0, 0]
    assert pixels[31, 0].tolist() == [0, 0, 0]
    grey = io.BytesIO()
    Image.new("I;16", (20, 20)).save(grey, "PNG")
    assert decode_picture_untrusted(grey.getvalue()).shape == (20, 20, 3)


def test_parts_and_sizes() -> None:
    assert scaled(RAMP, 32, 24).shape == (24, 32, 3)
    part = cropped(RAMP, (-10, -10, 10, 10))
    assert part.shape == (20, 20, 3)
    assert not part[:10].any()
    assert greyscale(RAMP).shape == (48, 64)
