"""Looks at films and tracks as a viewer does: which colour is where, when it flashes, when it beeps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import av
import numpy as np

from appliance.recorder.boxes import Box
from appliance.recorder.labels import BACKGROUND, TILE
from appliance.recorder.picture import yuv
from tests.support.recorded import COLOURS, FLASH, GROUND

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


def look(path: Path, places: Sequence[Box]) -> list[Seen]:
    """Decode a film and look at places of it."""
    seen = [Seen([], [], []) for _ in places]
    with av.open(path) as film:
        for frame in film.decode(video=0):
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


def beep_times(path: Path, *, quiet_s: float = 0.3) -> list[float]:
    """When sound began after silence."""
    times, samples = sound(path)
    loud = np.abs(samples) > 0.1 * max(float(np.abs(samples).max()), 1e-3)
    at = times[loud]
    return [float(at[0]), *(float(b) for a, b in pairwise(at) if b - a > quiet_s)] if len(at) else []


def sound(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """(times, samples of the first channel)."""
    times, samples = [], []
    with av.open(path) as film:
        resampler = av.AudioResampler("fltp")
        for frame in film.decode(audio=0):
            for piece in resampler.resample(frame):
                assert piece.time is not None
                part = piece.to_ndarray()[0]
                times.append(piece.time + np.arange(len(part)) / piece.sample_rate)
                samples.append(part)
    return np.concatenate(times), np.concatenate(samples)
