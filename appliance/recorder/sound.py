"""One Opus track as samples that lie where they were said.

Owns the decoder and the seams: frames that follow one another are joined even where two clocks drift apart, gaps are
faded into and out of. Refuses to know the other tracks. A frame that cannot be decoded is a gap.
"""

from __future__ import annotations

from collections.abc import Iterator

import av
import numpy as np
from av.audio.codeccontext import AudioCodecContext
from numpy.typing import NDArray

from appliance.recorder.frames import Frame
from appliance.recorder.journal import Codec

RATE = 48_000
Samples = NDArray[np.float32]
"""(channels, samples), full scale is 1."""

# Frames that follow one another are placed within a sample of their forerunner's end: further off, one is missing
# between them (the shortest has 2.5 ms).
_GAP = RATE * 2 // 1000
# Drift is made good as soon as it is a third of a millisecond, by at most 4 ms a second: nobody hears either.
_DRIFT = 16
_MOST_STRETCH = 4
# A click is heard where sound begins or ends within less.
_FADE = RATE * 3 // 1000
_FADE_IN = np.linspace(0, 1, _FADE, endpoint=False, dtype=np.float32)


class Voice:
    """The sound of one track, taken piece by piece in order of time."""

    def __init__(self, frames: Iterator[Frame], channels: int) -> None:
        """Mono or stereo, whatever was sent."""
        self._frames = frames
        self._channels = channels
        self._decoder: AudioCodecContext | None = None
        self._held: tuple[int, Samples] | None = None
        """(position, samples): the next piece; its end may still have to be faded."""
        self._ended = False
        self.broken = 0
        """Frames that could not be decoded."""

    def add_to(self, block: Samples, start: int) -> bool:
        """Add what sounds from sample ``start`` on to the block; whether there was any."""
        end = start + block.shape[1]
        heard = False
        while not self._ended or self._held is not None:
            if self._held is None:
                self._held = self._next(None)
                continue
            position, samples = self._held
            if position >= end:
                break
            stop = position + samples.shape[1]
            if stop > end:
                self._add(block, start, position, samples[:, : end - position])
                self._held = (end, samples[:, end - position :])
                heard = True
                break
            following = self._next(stop)
            if following is None or following[0] != stop:
                samples = _faded_out(samples)
            self._add(block, start, position, samples)
            heard = True
            self._held = following
        return heard

    @property
    def ended(self) -> bool:
        """Nothing more will come."""
        return self._ended and self._held is None

    def _add(self, block: Samples, start: int, position: int, samples: Samples) -> None:
        late = max(start - position, 0)
        if late < samples.shape[1]:
            at = position + late - start
            block[:, at : at + samples.shape[1] - late] += samples[:, late:]

    def _next(self, cursor: int | None) -> tuple[int, Samples] | None:
        """The next piece, joined to ``cursor`` if it begins there; None at the end."""
        for frame in self._frames:
            if frame.codec != Codec.OPUS or not frame.payload:
                continue
            samples = self._decode(frame.payload)
            if samples is None:
                continue
            position = frame.at_us * RATE // 1_000_000
            if cursor is None:
                return position, _faded_in(samples)
            off = position - cursor
            if abs(off) <= _GAP:
                return cursor, _stretched(samples, off)
            if off > 0:
                return position, _faded_in(samples)
            # earlier than what was said already: its clock was corrected backwards
        self._ended = True
        return None

    def _decode(self, payload: bytes) -> Samples | None:
        if self._decoder is None:
            decoder = av.CodecContext.create("libopus", "r")
            decoder.sample_rate = RATE
            decoder.layout = "stereo" if self._channels == 2 else "mono"
            decoder.thread_count = 1
            self._decoder = decoder
        try:
            pieces = [frame.to_ndarray() for frame in self._decoder.decode(av.Packet(payload))]
        except av.FFmpegError:
            self.broken += 1
            self._decoder = None  # what state it is in, nobody says
            return None
        if not pieces:
            return None
        interleaved = pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=1)
        return interleaved.reshape(-1, self._channels).T.astype(np.float32) / np.float32(32768)


def _stretched(samples: Samples, off: int) -> Samples:
    """Longer or shorter by a few samples where the drift has become noticeable."""
    count = samples.shape[1]
    if abs(off) < _DRIFT or count < RATE // 200:
        return samples
    wanted = count + max(-_MOST_STRETCH, min(_MOST_STRETCH, off))
    at = np.linspace(0, count - 1, wanted)
    return np.stack([np.interp(at, np.arange(count), channel) for channel in samples]).astype(np.float32)


def _faded_in(samples: Samples) -> Samples:
    faded = samples.copy()
    count = min(_FADE, samples.shape[1])
    faded[:, :count] *= _FADE_IN[:count]
    return faded


def _faded_out(samples: Samples) -> Samples:
    faded = samples.copy()
    count = min(_FADE, samples.shape[1])
    faded[:, samples.shape[1] - count :] *= _FADE_IN[:count][::-1]
    return faded
