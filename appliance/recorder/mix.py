"""Everybody's sound as one track, as loud as broadcasting has it.

Owns the sum, the loudness (EBU R 128, measured in a pass of its own, then set) and the encoder. A peak that the gain
would clip is turned down for a moment by a limiter that looks ahead. Refuses to know where the samples come from
(`sound`) and where the file goes.

Rejected: keeping the sum between the passes, which is 700 MB an hour in stereo; decoding twice costs 4 ms per second
and voice. Single-pass loudness, which breathes with every pause of the speakers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext

from appliance.recorder.composed import Format
from appliance.recorder.sound import RATE, Samples, Voice
from appliance.recorder.soundtrack import TIME_BASE, layout_of, sound_encoder, write_packet

# What streaming services and podcasts play at (AES TD1008); broadcasting's own is -23.
TARGET_LUFS = -16.0
# EBU R 128 gates at -70: below there is nothing to be heard.
_SILENCE_LUFS = -69.0
# A room recorded so quietly has more noise than voice.
_MOST_GAIN_DB = 24.0
# -1.5 dB, so that the lossy encoder does not clip what it makes louder (EBU Tech 3343).
_CEILING = 0.84
_BLOCK = RATE // 2


@dataclass(frozen=True, slots=True)
class Sound:
    """A track to be heard, opened when its time comes: a long meeting has hundreds of them."""

    from_us: int
    open: Callable[[int], Voice]
    """Takes the number of channels."""


def measure_lufs(
    sounds: Sequence[Sound], duration_us: int, channels: int, report: Callable[[int], None]
) -> float | None:
    """Integrated loudness of the sum; None when nothing is heard. ``report`` is told the time reached, in µs."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(format="fltp", sample_rate=RATE, layout=layout_of(channels), time_base=TIME_BASE)
    # dualmono: one channel is heard from two loudspeakers.
    meter = graph.add("ebur128", "metadata=1:dualmono=true:framelog=quiet")
    sink = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    loudness = -math.inf
    heard_any = False
    for at, block, heard in _blocks(sounds, duration_us, channels):
        heard_any = heard_any or heard
        graph.push(_frame(block, at))
        for measured in _pull(graph):
            loudness = float(measured.metadata.get("lavfi.r128.I", loudness))
        report(at * 1_000_000 // RATE)
    return loudness if heard_any and loudness > _SILENCE_LUFS else None


def write_sound(
    path: Path,
    sounds: Sequence[Sound],
    duration_us: int,
    *,
    channels: int,
    lufs: float | None,
    kind: Format,
    report: Callable[[int], None],
) -> None:
    """The sum, encoded for a film of that kind, in a file for `soundtrack`. ``lufs`` is what `measure_lufs` said."""
    gain_db = 0.0 if lufs is None else min(TARGET_LUFS - lufs, _MOST_GAIN_DB)
    encoder = sound_encoder(kind, channels)
    graph = _levelling(gain_db, channels, encoder.format.name)
    with path.open("wb") as file:
        for at, block, _ in _blocks(sounds, duration_us, channels):
            graph.push(_frame(block, at))
            _encode(file, encoder, graph)
            report(at * 1_000_000 // RATE)
        graph.push(None)
        _encode(file, encoder, graph)
        for packet in encoder.encode(None):
            write_packet(file, packet)


def _levelling(gain_db: float, channels: int, sample_format: str) -> av.filter.Graph:
    graph = av.filter.Graph()
    steps = [
        graph.add_abuffer(format="fltp", sample_rate=RATE, layout=layout_of(channels), time_base=TIME_BASE),
        graph.add("volume", f"volume={gain_db:.2f}dB:precision=float"),
        graph.add("alimiter", f"limit={_CEILING}:attack=5:release=80:level=disabled:latency=1"),
        graph.add("aformat", f"sample_fmts={sample_format}"),
        graph.add("abuffersink"),
    ]
    for one, following in pairwise(steps):
        one.link_to(following)
    graph.configure()
    return graph


def _encode(file: BinaryIO, encoder: AudioCodecContext, graph: av.filter.Graph) -> None:
    for frame in _pull(graph):
        for packet in encoder.encode(frame):
            write_packet(file, packet)


def _pull(graph: av.filter.Graph) -> Iterator[av.AudioFrame]:
    while True:
        try:
            frame = graph.pull()
        except (BlockingIOError, EOFError):
            return
        assert isinstance(frame, av.AudioFrame)
        yield frame


def _blocks(sounds: Sequence[Sound], duration_us: int, channels: int) -> Iterator[tuple[int, Samples, bool]]:
    """(first sample, samples, whether anything sounds) until the end. The array is used again."""
    waiting = sorted(sounds, key=lambda sound: -sound.from_us)
    voices: list[Voice] = []
    total = duration_us * RATE // 1_000_000
    block = np.zeros((channels, _BLOCK), np.float32)
    for at in range(0, total, _BLOCK):
        part = block[:, : min(_BLOCK, total - at)]
        part.fill(0)
        while waiting and waiting[-1].from_us * RATE < (at + _BLOCK) * 1_000_000:
            voices.append(waiting.pop().open(channels))
        heard = [voice.add_to(part, at) for voice in voices]
        voices = [voice for voice in voices if not voice.ended]
        yield at, part, any(heard)


def _frame(block: Samples, at: int) -> av.AudioFrame:
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(block), format="fltp", layout=layout_of(len(block)))
    frame.sample_rate = RATE
    frame.pts = at
    frame.time_base = TIME_BASE
    return frame
