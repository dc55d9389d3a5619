"""Frames of live tracks."""

from fractions import Fraction

import av
import numpy as np
import pytest

from appliance.ai.frames import LiveVideo
from appliance.inference.task import TaskError


def frames(codec: str, count: int = 6, width: int = 64, height: int = 48) -> list[bytes]:
    """As a browser sends them: one key frame, then what depends on it. Each is brighter than the one before."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.width, encoder.height, encoder.pix_fmt, encoder.time_base = width, height, "yuv420p", Fraction(1, 30)
    encoder.options = {"deadline": "realtime", "lag-in-frames": "0", "cpu-used": "8"} if "vpx" in codec else {
        "tune": "zerolatency", "preset": "ultrafast"}  # fmt: skip
    sent = []
    for n in range(count):
        picture = av.VideoFrame.from_ndarray(np.full((height, width, 3), 40 + 20 * n, np.uint8), format="rgb24")
        sent += [bytes(packet) for packet in encoder.encode(picture.reformat(format="yuv420p"))]
    return sent


@pytest.mark.parametrize(("name", "encoder"), [("vp8", "libvpx"), ("vp9", "libvpx-vp9"), ("h264", "libx264")])
def test_each_frame_is_shown_at_once(name: str, encoder: str) -> None:
    video = LiveVideo(name)
    for n, frame in enumerate(frames(encoder)):
        pixels = video.feed(frame)
        assert pixels.shape == (48, 64, 3)
        assert pixels.mean() == pytest.approx(40 + 20 * n, abs=4)


def test_what_depends_on_a_frame_that_is_not_there_is_no_crash() -> None:
    sent = frames("libvpx")
    video = LiveVideo("vp8")
    with pytest.raises(TaskError) as caught:
        video.feed(sent[2])
    assert caught.value.code in ("bad_picture", "no_picture")
    assert video.feed(sent[0]).shape == (48, 64, 3)


@pytest.mark.parametrize("frame", [b"", b"\x00", b"not a frame at all"])
def test_rubbish_is_refused(frame: bytes) -> None:
    with pytest.raises(TaskError) as caught:
        LiveVideo("vp8").feed(frame)
    assert caught.value.code in ("bad_picture", "no_picture")


def test_a_picture_too_small_and_an_unknown_codec_are_named() -> None:
    with pytest.raises(TaskError, match="a frame of 8×8 pixels"):
        LiveVideo("vp8").feed(frames("libvpx", 1, 8, 8)[0])
    with pytest.raises(TaskError, match="'h266'"):
        LiveVideo("h266")
