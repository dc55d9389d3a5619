"""The first encoder that works is taken, and what the others answered is kept."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from appliance.recorder.encoders import EncoderError, choose, open_encoder
from appliance.recorder.journal import Codec

HAS_CARD = any(Path("/dev").glob("nvidia*")) or Path("/dev/dri").exists()


@pytest.mark.skipif(HAS_CARD, reason="here is a graphics card")
def test_without_a_graphics_card_the_processor_does_it() -> None:
    chosen = choose("auto", "mp4", 640, 360, 25)
    assert (chosen.name, chosen.codec) == ("libx264", Codec.H264)
    assert [refused.split(":")[0] for refused in chosen.refused] == ["h264_nvenc", "h264_vaapi", "h264_qsv", "h264_amf"]


def test_what_is_wanted_but_not_there_is_replaced_and_said() -> None:
    chosen = choose("h264_of_tomorrow", "mp4", 640, 360, 25)
    assert chosen.name == "libx264"
    assert chosen.refused == ("h264_of_tomorrow: not one for mp4",)
    assert choose("libx264", "webm", 640, 360, 25).name == "libvpx-vp9"
    assert choose("libx264", "mp4", 640, 360, 25).refused == ()


def test_none_is_an_error() -> None:
    with pytest.raises(EncoderError, match="libx264"):
        choose("auto", "mp4", 0, 0, 25)


@pytest.mark.parametrize(("name", "kind"), [("libx264", "mp4"), ("libvpx-vp9", "webm")])
def test_key_frames_each_ten_seconds_and_every_picture_comes_back(name: str, kind: str) -> None:
    encoder = open_encoder(name, kind, 64, 64, 5, threads=1)  # type: ignore[arg-type]
    chance = np.random.default_rng(1)
    packets: list[av.Packet] = []  # type: ignore[type-arg]
    for number in range(120):
        frame = av.VideoFrame.from_numpy_buffer(
            np.full((96, 64), 100 + number // 3 % 20, np.uint8) + chance.integers(0, 3, (96, 64), np.uint8),
            format="yuv420p",
        )
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    assert sorted(packet.pts or 0 for packet in packets) == list(range(120))
    keys = [packet.pts or 0 for packet in packets if packet.is_keyframe]
    assert keys[0] == 0
    assert 3 <= len(keys) <= 5
    assert all(b - a <= 50 for a, b in pairwise([*keys, 120]))
    assert all((a.dts or 0) < (b.dts or 0) for a, b in pairwise(packets))
    for key in keys[1:]:
        at = next(n for n, packet in enumerate(packets) if packet.pts == key)
        assert all((packet.pts or 0) < key for packet in packets[:at])  # nothing before it comes after it
