"""Tracks become files that play, with silence where it was silent."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import av
import pytest

from appliance.recorder.frames import Frame
from appliance.recorder.journal import Codec
from appliance.recorder.manifest import TrackFile
from appliance.recorder.muxing import MuxingError
from appliance.recorder.tracks import opus_duration_us, write_track
from tests.support.films import sound
from tests.support.recorded import beeps, pictures


def _track(kind: str) -> TrackFile:
    return TrackFile(
        track="trk_1",
        file="tracks/trk_1.journal",
        participant_id="p",
        name="Ann",
        source="camera" if kind == "video" else "microphone",
        kind=kind,  # type: ignore[arg-type]
    )


def _video(codec: Codec, count: int = 50, *, begin_us: int = 3_000_000, skipped: int = 0) -> Iterator[Frame]:
    loop = pictures(codec, (90, 200))
    for number in range(skipped, count):
        is_key, payload = loop[number % len(loop)]
        yield Frame(begin_us + number * 40_000, codec, is_key, False, payload)


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.VP9, Codec.H264, Codec.AV1])
def test_video(tmp_path: Path, codec: Codec) -> None:
    made = write_track(_track("video"), codec, _video(codec), tmp_path)
    assert made is not None
    suffix = "mkv" if codec is Codec.H264 else "webm"
    assert (made.file, made.start_ms) == (f"tracks/trk_1.{suffix}", 3000)
    assert abs(made.duration_ms - 2000) < 50
    with av.open(tmp_path / made.file) as container:
        times = [frame.time for frame in container.decode(video=0)]
        assert container.metadata["title"] == "Ann"
    assert (times[0], len(times)) == (0.0, 50)
    assert all(abs(b - a - 0.04) < 0.0011 for a, b in pairwise(times))
    assert made.bytes == (tmp_path / made.file).stat().st_size
    assert list((tmp_path / "tracks").iterdir()) == [tmp_path / made.file]


def test_video_begins_with_a_key_frame_and_leaves_out_what_cannot_be_decoded(tmp_path: Path) -> None:
    frames = [
        Frame(f.at_us, f.codec, f.is_key, n > 20 and not f.is_key, f.payload)
        for n, f in enumerate(_video(Codec.VP8, 120, skipped=10))
    ]
    made = write_track(_track("video"), Codec.VP8, iter(frames), tmp_path)
    assert made is not None
    assert made.start_ms == 5000
    with av.open(tmp_path / made.file) as container:
        assert len(list(container.decode(video=0))) == 2  # two key frames; everything else came after the loss
    assert write_track(_track("video"), Codec.VP8, _video(Codec.VP8, 50, skipped=1), tmp_path) is None


@pytest.mark.parametrize("stereo", [False, True])
def test_silence_is_a_gap_in_the_timestamps(tmp_path: Path, stereo: bool) -> None:
    loop = beeps(stereo=stereo)
    frames = [
        Frame(n * 20_000, Codec.OPUS, True, False, loop[n % len(loop)][1]) for n in range(300) if not 60 <= n < 240
    ]
    made = write_track(_track("audio"), Codec.OPUS, iter(frames), tmp_path)
    assert made is not None
    assert (made.codec, made.file, made.duration_ms) == ("opus", "tracks/trk_1.webm", 6000)
    with av.open(tmp_path / made.file) as container:
        assert container.streams.audio[0].channels == (2 if stereo else 1)
        packets = [packet.pts for packet in container.demux(audio=0) if packet.pts is not None]
    assert max(b - a for a, b in pairwise(packets)) == 3620
    times, samples = sound(tmp_path / made.file)
    loud = times[abs(samples) > 0.1]
    assert not ((loud > 1.25) & (loud < 4.7)).any()
    assert ((loud > 4.9) & (loud < 5.2)).any()


def test_what_is_no_video_is_said(tmp_path: Path) -> None:
    frames = iter([Frame(0, Codec.H264, True, False, b"garbage" * 40)])
    with pytest.raises(MuxingError):
        write_track(_track("video"), Codec.H264, frames, tmp_path)
    assert write_track(_track("audio"), Codec.OPUS, iter(()), tmp_path) is None


@pytest.mark.parametrize(
    ("packet", "us"),
    [
        (b"\x78", 20_000),
        (b"\x79", 40_000),
        (b"\x18", 60_000),
        (b"\xe0", 2_500),
        (b"\x7b\x03", 60_000),
        (b"\x7b", 20_000),
    ],
)
def test_how_long_a_packet_sounds(packet: bytes, us: int) -> None:
    assert opus_duration_us(packet) == us
