"""The first encoder that works is taken, and what the others answered is kept."""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from av.video.codeccontext import VideoCodecContext
from av.video.stream import VideoStream

from appliance.recorder.composed import Format
from appliance.recorder.encoders import CANDIDATES, EncoderError, choose, open_encoder
from appliance.recorder.journal import Codec

HAS_NVIDIA = Path("/dev/nvidiactl").exists()
HAS_CARD = any(Path("/dev").glob("nvidia*")) or Path("/dev/dri").exists()


@pytest.mark.skipif(HAS_CARD, reason="here is a graphics card")
def test_without_a_graphics_card_the_processor_does_it() -> None:
    chosen = choose("auto", "mp4", 640, 360, 25)
    assert (chosen.name, chosen.codec) == ("libx264", Codec.H264)
    assert [refused.split(":")[0] for refused in chosen.refused] == ["h264_nvenc", "h264_qsv", "h264_amf"]


def test_what_is_wanted_but_not_there_is_replaced_and_said() -> None:
    chosen = choose("h264_of_tomorrow", "mp4", 640, 360, 25)
    assert chosen.name == "libx264"
    assert chosen.refused == ("h264_of_tomorrow: not one for mp4",)
    assert choose("libx264", "webm", 640, 360, 25).name == "libvpx-vp9"
    assert choose("libx264", "mp4", 640, 360, 25).refused == ()


def test_none_is_an_error() -> None:
    with pytest.raises(EncoderError, match="libx264"):
        choose("auto", "mp4", 0, 0, 25)


@pytest.mark.parametrize(("kind", "name"), CANDIDATES)
def test_each_is_given_pixels_that_it_takes(kind: Format, name: str) -> None:
    try:
        codec = av.codec.Codec(name, "w")
    except av.codec.codec.UnknownCodecError:
        pytest.skip(f"this FFmpeg has no {name}")
    encoder = open_encoder(name, kind, 640, 360, 25, threads=1)
    assert encoder.pix_fmt in [taken.name for taken in codec.video_formats or ()]


def test_pixels_in_another_order_are_the_same_picture() -> None:
    """What nv12 encoders get, by one that is here."""
    painted = np.random.default_rng(1).integers(16, 235, (96, 64), np.uint8)
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = 64, 64, "nv12", Fraction(1, 25)
    encoder.options = {"qp": "0"}
    packets = [*encoder.encode(av.VideoFrame.from_numpy_buffer(painted, format="yuv420p")), *encoder.encode(None)]
    (frame,) = _decoded(packets)
    assert (frame.to_ndarray(format="yuv420p") == painted).all()


@pytest.mark.skipif(not HAS_NVIDIA, reason="here is no NVIDIA card")
def test_an_nvidia_card_that_encodes_is_used() -> None:
    bare = av.CodecContext.create("h264_nvenc", "w")
    bare.width, bare.height, bare.pix_fmt, bare.time_base = 640, 360, "yuv420p", Fraction(1, 25)
    try:
        bare.open()
    except av.FFmpegError as error:  # cards for computing alone have no encoder
        pytest.skip(f"this card does not encode: {error}")
    chosen = choose("auto", "mp4", 640, 360, 25)
    assert (chosen.name, chosen.codec, chosen.refused) == ("h264_nvenc", Codec.H264, ())
    packets = _packets("h264_nvenc", "mp4", 640, 360)
    _check_order(packets)
    shades = [frame.to_ndarray(format="yuv420p")[:360].mean() for frame in _decoded(packets)]
    assert shades == pytest.approx([_shade(number) + 1 for number in range(120)], abs=2)


@pytest.mark.parametrize(("name", "kind"), [("libx264", "mp4"), ("libvpx-vp9", "webm")])
def test_key_frames_each_ten_seconds_and_every_picture_comes_back(name: str, kind: Format) -> None:
    _check_order(_packets(name, kind, 64, 64))


def _shade(number: int) -> int:
    return 100 + number // 3 % 20


def _packets(name: str, kind: Format, width: int, height: int) -> list[Packet[VideoStream]]:
    """120 pictures, five a second."""
    encoder = open_encoder(name, kind, width, height, 5, threads=1)
    chance = np.random.default_rng(1)
    packets: list[Packet[VideoStream]] = []
    size = height * 3 // 2, width
    for number in range(120):
        frame = av.VideoFrame.from_numpy_buffer(
            np.full(size, _shade(number), np.uint8) + chance.integers(0, 3, size, np.uint8), format="yuv420p"
        )
        frame.pts = number
        packets += encoder.encode(frame)
    return [*packets, *encoder.encode(None)]


def _decoded(packets: list[Packet[VideoStream]]) -> list[av.VideoFrame]:
    decoder = av.CodecContext.create("h264", "r")
    assert isinstance(decoder, VideoCodecContext)
    return [frame for packet in [*packets, None] for frame in decoder.decode(packet)]


def _check_order(packets: list[Packet[VideoStream]]) -> None:
    assert sorted(packet.pts or 0 for packet in packets) == list(range(120))
    keys = [packet.pts or 0 for packet in packets if packet.is_keyframe]
    assert keys[0] == 0
    assert 3 <= len(keys) <= 5
    assert all(b - a <= 50 for a, b in pairwise([*keys, 120]))
    assert all((a.dts or 0) < (b.dts or 0) for a, b in pairwise(packets))
    for key in keys[1:]:
        at = next(n for n, packet in enumerate(packets) if packet.pts == key)
        assert all((packet.pts or 0) < key for packet in packets[:at])  # nothing before it comes after it
