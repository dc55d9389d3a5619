"""The sum of all is as loud as it should be, and never clips."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.recorder.composed import Format
from appliance.recorder.frames import Frame
from appliance.recorder.journal import Codec
from appliance.recorder.mix import TARGET_LUFS, Sound, measure_lufs, write_sound
from appliance.recorder.sound import Voice
from tests.support.films import beep_times, play, sound
from tests.support.recorded import beeps

SECONDS = 6


def _sound(level: float, *, hz: int = 500, begin_s: int = 0, count: int = SECONDS * 50) -> Sound:
    loop = beeps(hz=hz, level=level)

    def frames() -> Iterator[Frame]:
        for n in range(count):
            yield Frame(begin_s * 1_000_000 + n * 20_000, Codec.OPUS, True, False, loop[n % len(loop)][1])

    return Sound(begin_s * 1_000_000, lambda channels: Voice(frames(), channels))


def _nothing(_at_us: int) -> None:
    pass


def _mixed(path: Path, sounds: list[Sound], *, kind: Format = "mp4", channels: int = 1) -> tuple[float | None, float]:
    """(loudness before, peak afterwards)."""
    lufs = measure_lufs(sounds, SECONDS * 1_000_000, channels, _nothing)
    packets = path.with_suffix(".packets")
    write_sound(packets, sounds, SECONDS * 1_000_000, channels=channels, lufs=lufs, kind=kind, report=_nothing)
    play(packets, path, kind, channels)
    times, samples = sound(path)
    assert abs(times[-1] - SECONDS) < 0.05
    return lufs, float(np.abs(samples).max())


def _loudness(path: Path) -> float:
    """Of a file, by the same meter."""
    _, samples = sound(path)
    import av

    graph = av.filter.Graph()
    source = graph.add_abuffer(format="fltp", sample_rate=48_000, layout="mono", time_base=av.AudioFrame().time_base)
    meter, sink = graph.add("ebur128", "metadata=1:dualmono=true:framelog=quiet"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    loudness = 0.0
    for at in range(0, len(samples), 24_000):
        frame = av.AudioFrame.from_ndarray(samples[None, at : at + 24_000].copy(), format="fltp", layout="mono")
        frame.sample_rate, frame.pts = 48_000, at
        graph.push(frame)
        while True:
            try:
                loudness = float(graph.pull().metadata["lavfi.r128.I"])
            except (BlockingIOError, EOFError):
                break
    return loudness


@pytest.mark.parametrize("level", [0.05, 0.9])
def test_quiet_and_loud_meetings_come_out_alike(tmp_path: Path, level: float) -> None:
    before, peak = _mixed(tmp_path / "m", [_sound(level)])
    assert before is not None
    assert abs(_loudness(tmp_path / "m") - TARGET_LUFS) < 1.0
    assert peak < 0.95


def test_everybody_at_once_does_not_clip(tmp_path: Path) -> None:
    sounds = [_sound(0.9, hz=400 + 10 * n) for n in range(6)]
    _, peak = _mixed(tmp_path / "m", sounds, kind="webm")
    assert peak < 0.85  # AAC rings where a beep begins, a few samples at a time


def test_voices_begin_when_their_time_comes(tmp_path: Path) -> None:
    opened: list[int] = []
    first, second = _sound(0.3, count=100), _sound(0.3, begin_s=3, count=100)
    sounds = [
        Sound(s.from_us, lambda channels, s=s: (opened.append(s.from_us), s.open(channels))[1])  # type: ignore[misc]
        for s in (second, first)
    ]
    measure_lufs(sounds, SECONDS * 1_000_000, 1, lambda at_us: opened.append(-at_us))
    assert [number for number in opened if number >= 0 or number == -2_500_000] == [0, 0, -2_500_000, 3_000_000]
    _mixed(tmp_path / "m", sounds)
    assert [round(at, 1) for at in beep_times(tmp_path / "m")] == [0.0, 1.0, 3.0, 4.0]


@pytest.mark.parametrize(("kind", "channels"), [("mp4", 2), ("webm", 1), ("webm", 2)])
def test_other_formats(tmp_path: Path, kind: Format, channels: int) -> None:
    _mixed(tmp_path / "m", [_sound(0.3)], kind=kind, channels=channels)
    times = beep_times(tmp_path / "m")
    assert np.allclose(times, range(SECONDS), atol=0.015)


def test_silence_stays_silent(tmp_path: Path) -> None:
    lufs, peak = _mixed(tmp_path / "m", [])
    assert (lufs, peak) == (None, 0.0)
