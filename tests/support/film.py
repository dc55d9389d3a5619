"""Looks into a composed recording: where each person's colour is, when it flashes, when each tone beeps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 48_000
# What pictures are scaled to: enough to find tiles in, and a minute fits into memory.
WIDTH, HEIGHT = 480, 270
# Chroma of a decoded colour moves by a few steps.
TOLERANCE = 60
# Loudness is looked at in pieces of 5 ms.
_PIECE = 240


@dataclass(frozen=True)
class Film:
    """Pictures and sound of one file."""

    times: NDArray[np.float64]
    """Seconds of each picture."""
    pictures: NDArray[np.uint8]
    """(pictures, `HEIGHT`, `WIDTH`, 3), RGB."""
    sound: NDArray[np.float32]
    """Mono samples at `SAMPLE_RATE`, from time 0."""

    def area(self, rgb: tuple[int, int, int], start_s: float, end_s: float) -> tuple[int, int, int, int] | None:
        """Box (left, top, right, bottom) that a colour fills in most pictures of a span; None where it is not.

        Specks elsewhere, as of a name's letters, do not count.
        """
        chosen = self.pictures[(self.times >= start_s) & (self.times < end_s)]
        mask = (np.abs(chosen.astype(np.int16) - np.array(rgb)).max(axis=3) < TOLERANCE).mean(axis=0) > 0.4
        if mask.mean() < 0.01:
            return None
        rows, columns = (np.flatnonzero((sums := mask.sum(axis=axis)) > sums.max() / 2) for axis in (1, 0))
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1

    def flashes(self, box: tuple[int, int, int, int], start_s: float, end_s: float) -> NDArray[np.float64]:
        """When the middle of an area turns white."""
        left, top, right, bottom = box
        dx, dy = (right - left) // 4, (bottom - top) // 4
        middle = self.pictures[:, top + dy : bottom - dy, left + dx : right - dx]
        white = middle.reshape(len(middle), -1).min(axis=1) > 180
        begins = np.flatnonzero(white[1:] & ~white[:-1]) + 1
        times = self.times[begins]
        return times[(times >= start_s) & (times < end_s)]

    def beeps(self, hz: float, start_s: float, end_s: float) -> NDArray[np.float64]:
        """When a tone begins."""
        phase = np.exp(-2j * np.pi * hz * np.arange(len(self.sound)) / SAMPLE_RATE)
        # 20 ms tell tones apart that are 50 Hz and more from each other
        window = np.hanning(4 * _PIECE)
        mixed = np.convolve(self.sound * phase, window / window.sum(), mode="same")
        level = np.abs(mixed)[::_PIECE]
        on = level > level.max() / 2
        begins = (np.flatnonzero(on[1:] & ~on[:-1]) + 1) * _PIECE / SAMPLE_RATE
        return begins[(begins >= start_s) & (begins < end_s)]


def read(path: Path) -> Film:
    """Decode a whole file, a short one."""
    times, pictures, pieces, start = [], [], [], 0
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            times.append(float(frame.pts * frame.time_base))
            pictures.append(frame.reformat(WIDTH, HEIGHT, "rgb24").to_ndarray())
    with av.open(str(path)) as container:
        resampler = av.AudioResampler(format="flt", layout="mono", rate=SAMPLE_RATE)
        for frame in container.decode(audio=0):
            if not pieces:
                start = round(float(frame.pts * frame.time_base) * SAMPLE_RATE)
            pieces += [piece.to_ndarray()[0] for piece in resampler.resample(frame)]
    sound = np.concatenate([np.zeros(max(start, 0), np.float32), *pieces])
    return Film(np.array(times), np.array(pictures), sound)


def lateness(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of each moment of ``one`` against the nearest of ``other``, in seconds."""
    return np.array([moment - other[np.abs(other - moment).argmin()] for moment in one])
