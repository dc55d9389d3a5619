"""Looks at films and tracks as a viewer does: which colour is where, when it flashes, when it beeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from appliance.recorder.boxes import Box
from appliance.recorder.composed import Format
from appliance.recorder.labels import BACKGROUND, TILE
from appliance.recorder.picture import yuv
from appliance.recorder.soundtrack import add_sound, read_packets
from tests.support.recorded import COLOURS, FLASH, GROUND

WHOLE = (0.0, float("inf"))
"""From and to, seconds."""
_BRIGHT = (FLASH + GROUND) / 2


@dataclass
class Seen:
    """One place of a film over time."""

    times: list[float]
    luma: list[float]
    """Of the upper edge of the place, where no bar and no plate is."""
    who: list[str]
    """Whose colour fills it; "initials" or "" where nobody's does."""

    def at(self, second: float) -> str:
        """Who is seen then."""
        return self.who[int(np.searchsorted(self.times, second + 1e-6)) - 1]

    def first(self, name: str) -> float:
        """When somebody is first seen there."""
        return self.times[self.who.index(name)]

    def flashes(self) -> list[float]:
        """When it became bright."""
        bright = [luma > _BRIGHT for luma in self.luma]
        return [self.times[n + 1] for n, (before, now) in enumerate(pairwise(bright)) if now and not before]


def look(path: Path, places: Sequence[Box], between: tuple[float, float] = WHOLE) -> list[Seen]:
    """Decode a film, or a part of it, and look at places of it."""
    seen = [Seen([], [], []) for _ in places]
    with av.open(path) as film:
        if between[0]:
            film.seek(round(between[0] * 1e6))  # to the key frame before it
        for frame in film.decode(video=0):
            if frame.time < between[0]:
                continue
            if frame.time >= between[1]:
                break
            y, u, v = (
                np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[:, : plane.width]
                for plane in frame.planes
            )
            for place, found in zip(places, seen, strict=True):
                # Below the upper edge: above the bars, inside the letterboxes of the stage.
                top, high = place.y + place.height // 8, max(2, place.height // 9)
                left, wide = place.x + place.width // 4, place.width // 2
                half = slice(top // 2, (top + high) // 2), slice(left // 2, (left + wide) // 2)
                found.times.append(frame.time)
                found.luma.append(float(y[top : top + high, left : left + wide].mean()))
                found.who.append(_who(found.luma[-1], float(u[half].mean()), float(v[half].mean())))
    return seen


def _who(y: float, u: float, v: float) -> str:
    for name, (cu, cv) in COLOURS.items():
        if abs(cu - u) < 12 and abs(cv - v) < 12:
            return name
    for name, colour in (("initials", TILE), ("", BACKGROUND)):
        if all(abs(a - b) < 5 for a, b in zip(yuv(colour), (y, u, v), strict=True)):
            return name
    return "?"


def play(packets: Path, path: Path, kind: Format, channels: int) -> None:
    """A file that `sound` opens, of a soundtrack."""
    with av.open(path, "w", format=kind) as container:
        stream = add_sound(container, kind, channels)
        for packet in read_packets(packets):
            packet.stream = stream
            container.mux(packet)


def beep_times(path: Path, *, quiet_s: float = 0.3, between: tuple[float, float] = WHOLE) -> list[float]:
    """When sound began after silence."""
    times, samples = sound(path, between)
    loud = np.abs(samples) > 0.1 * max(float(np.abs(samples).max()), 1e-3)
    at = times[loud]
    return [float(at[0]), *(float(b) for a, b in pairwise(at) if b - a > quiet_s)] if len(at) else []


def sound(path: Path, between: tuple[float, float] = WHOLE) -> tuple[np.ndarray, np.ndarray]:
    """(times, samples of the first channel)."""
    times, samples = [], []
    with av.open(path) as film:
        resampler = av.AudioResampler("fltp")
        if between[0]:
            film.seek(round(between[0] * 1e6))
        for frame in film.decode(audio=0):
            for piece in resampler.resample(frame):
                assert piece.time is not None
                part = piece.to_ndarray()[0]
                times.append(piece.time + np.arange(len(part)) / piece.sample_rate)
                samples.append(part)
            if times and times[-1][-1] >= between[1]:
                break
    at, all_samples = np.concatenate(times), np.concatenate(samples)
    inside = (at >= between[0]) & (at < between[1])
    return at[inside], all_samples[inside]
