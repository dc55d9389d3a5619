"""The picture of a moment is the last one that could be decoded; garbage takes it away and hurts nobody."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest

from appliance.recorder.frames import Frame
from appliance.recorder.journal import Codec
from appliance.recorder.pictures import Pictures, check_vp9_size
from tests.support.recorded import FLASH, GROUND, encoded, pictures

STEP_US = 40_000


def _frames(codec: Codec, count: int = 100) -> list[Frame]:
    loop = pictures(codec, (90, 200))
    return [Frame(n * STEP_US, codec, loop[n % 50][0], False, loop[n % 50][1]) for n in range(count)]


def _pictures(frames: list[Frame], reads: list[int] | None = None) -> Pictures:
    """Offsets are indices."""

    def read_from(offset: int) -> Iterator[Frame]:
        if reads is not None:
            reads.append(offset)
        return iter(frames[offset:])

    return Pictures(read_from, [(frame.at_us, n) for n, frame in enumerate(frames) if frame.is_key])


def _luma(shown: Pictures) -> float:
    assert shown.picture is not None
    plane = shown.picture.planes[0]
    return float(np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:20, :320].mean())


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.VP9, Codec.H264, Codec.AV1])
def test_every_codec(codec: Codec) -> None:
    shown = _pictures(_frames(codec))
    for n in range(100):
        shown.advance(n * STEP_US)
        assert shown.number == n + 1  # none is held back
        assert abs(_luma(shown) - (FLASH if n % 25 < 3 else GROUND)) < 12
    assert shown.broken == 0


def test_before_the_first_key_frame_nothing_is_seen() -> None:
    shown = _pictures(_frames(Codec.VP8)[20:])
    shown.advance(40 * STEP_US)
    assert shown.picture is None
    shown.advance(55 * STEP_US)
    assert shown.picture is not None


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.VP9, Codec.H264, Codec.AV1])
def test_garbage_takes_the_picture_away_until_the_next_key_frame(codec: Codec) -> None:
    chance = random.Random(4)
    frames = _frames(codec)
    for n in range(60, 70):
        frames[n] = Frame(frames[n].at_us, codec, n == 60, False, chance.randbytes(300))
    frames += [Frame(f.at_us + 100 * STEP_US, codec, f.is_key, False, f.payload) for f in _frames(codec)]
    shown = _pictures(frames)
    for n in range(59):
        shown.advance(n * STEP_US)
    assert shown.picture is not None
    for n in range(60, 99):
        shown.advance(n * STEP_US)
    assert shown.broken >= 1
    for n in range(100, 160):
        shown.advance(n * STEP_US)
    assert shown.picture is not None
    assert abs(_luma(shown) - GROUND) < 12


def test_after_a_loss_the_picture_stands() -> None:
    frames = _frames(Codec.VP8)
    frames[30:50] = [Frame(f.at_us, f.codec, f.is_key, True, f.payload) for f in frames[30:50]]
    shown = _pictures(frames)
    for n in range(30):
        shown.advance(n * STEP_US)
    before = shown.number
    shown.advance(49 * STEP_US)
    assert shown.number == before
    assert shown.picture is not None
    shown.advance(50 * STEP_US)
    assert shown.number == before + 1


def test_what_nobody_saw_is_not_decoded() -> None:
    reads: list[int] = []
    shown = _pictures(_frames(Codec.VP8, 1000), reads)
    shown.advance(0)
    shown.advance(STEP_US)
    shown.advance(930 * STEP_US)
    assert reads == [0, 900]
    assert shown.number == 2 + 31
    shown.advance(931 * STEP_US)
    assert reads == [0, 900]


def test_a_track_may_change_its_codec_and_its_size() -> None:
    frames = _frames(Codec.VP8, 50)
    larger = pictures(Codec.H264, (90, 200), 640, 360)
    frames += [Frame((50 + n) * STEP_US, Codec.H264, key, False, payload) for n, (key, payload) in enumerate(larger)]
    shown = _pictures(frames)
    shown.advance(49 * STEP_US)
    assert shown.picture is not None
    assert shown.picture.width == 320
    shown.advance(60 * STEP_US)
    assert shown.picture.width == 640


def test_an_unknown_codec_shows_nothing() -> None:
    shown = _pictures([Frame(0, 77, True, False, b"x")])
    shown.advance(10)
    assert (shown.picture, shown.broken) == (None, 0)


def test_a_header_that_claims_a_giant_is_not_believed() -> None:
    grey = np.full((96, 64), 128, np.uint8)
    ((_, payload),) = encoded(Codec.VP9, [grey], 64, 64, 25)
    check_vp9_size(payload)
    bits = int.from_bytes(payload[:12])
    # Profile 0: 8 bits, 24 of sync code, 4 of colour; then 16 of width - 1.
    assert bits >> (96 - 52) & 0xFFFF == 63
    giant = (bits | 0xFFFF << (96 - 52) | 0xFFFF << (96 - 68)).to_bytes(12) + payload[12:]
    with pytest.raises(ValueError, match="65536"):
        check_vp9_size(giant)
    shown = _pictures([Frame(0, Codec.VP9, True, False, giant)])
    shown.advance(0)
    assert (shown.picture, shown.broken) == (None, 1)
    vp8 = bytearray(pictures(Codec.VP8, (90, 200))[0][1])
    vp8[6:10] = b"\xff\x3f\xff\x3f"  # RFC 6386 §9.1: 14 bits of size each
    shown = _pictures([Frame(0, Codec.VP8, True, False, bytes(vp8))])
    shown.advance(0)
    assert (shown.picture, shown.broken) == (None, 1)
