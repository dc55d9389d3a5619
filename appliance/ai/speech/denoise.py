"""Speech out of noise: DTLN, live and for whole sounds. Pure.

Owns the two networks' frames and states (Westhausen & Meyer 2020): the first masks the spectrum, the second the
learned features of 32 ms, each 8 ms. What comes out is 16 kHz: there is no speech above 8 kHz in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, cast

import numpy as np

from appliance.ai.graphs import graph
from appliance.ai.options import (
    at_ms_option,
    choice_option,
    flag_option,
    number_option,
    raw_format,
    request_audio,
    text_option,
)
from appliance.ai.opus import LiveSound
from appliance.ai.sound import RATE_HZ, Samples, to_wav
from appliance.ai.tasks import Sessions, one_by_one
from appliance.inference.task import LoadedModel, Request, Result, Session, TaskError

BLOCK = 512
HOP = 128
DELAY = BLOCK - HOP
"""Samples that the output is behind the input: 24 ms."""
_STATE = (1, 2, 128, 2)
MAX_WHOLE_S = 600.0
"""Of a request without a session: some 50 s of work. Longer recordings come as a session, in pieces."""


class Denoising:
    """One stream. It gives as many samples as it took, less what does not fill a hop, and is `DELAY` behind."""

    def __init__(self, spectrum: Session, features: Session, strength: float = 1.0) -> None:
        """``strength`` 0 to 1: how much of what it made is mixed with what came in."""
        self._spectrum, self._features, self._strength = spectrum, features, strength
        self._spectrum_state = np.zeros(_STATE, np.float32)
        self._features_state = np.zeros(_STATE, np.float32)
        self._heard = np.zeros(BLOCK, np.float32)
        self._spoken = np.zeros(BLOCK, np.float32)
        self._rest = np.zeros(0, np.float32)
        spectrum_in, features_in = spectrum.get_inputs(), features.get_inputs()
        self._names = [tensor.name for tensor in (*spectrum_in, *features_in)]

    def feed(self, samples: Samples) -> Samples:
        """The next of it without noise."""
        self._rest = np.concatenate([self._rest, samples])
        whole = len(self._rest) // HOP * HOP
        blocks = [self._hop(self._rest[at : at + HOP]) for at in range(0, whole, HOP)]
        self._rest = self._rest[whole:]
        return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)

    def _hop(self, samples: Samples) -> Samples:
        self._heard = np.concatenate([self._heard[HOP:], samples])
        wave = np.fft.rfft(self._heard)
        magnitude = np.abs(wave).astype(np.float32)[None, None]
        mask, self._spectrum_state = self._spectrum.run(
            None, {self._names[0]: magnitude, self._names[1]: self._spectrum_state}
        )
        masked = np.fft.irfft(wave * mask[0, 0]).astype(np.float32)[None, None]
        block, self._features_state = self._features.run(
            None, {self._names[2]: masked, self._names[3]: self._features_state}
        )
        self._spoken = np.concatenate([self._spoken[HOP:], np.zeros(HOP, np.float32)]) + block[0, 0]
        clean = self._spoken[:HOP]
        if self._strength < 1:
            clean = self._strength * clean + (1 - self._strength) * self._heard[:HOP]
        return cast(Samples, clean.astype(np.float32))


def denoise(spectrum: Session, features: Session, samples: Samples, strength: float = 1.0) -> Samples:
    """A whole sound: of the same length, and not behind."""
    padded = np.concatenate([samples, np.zeros(BLOCK + HOP, np.float32)])
    return Denoising(spectrum, features, strength).feed(padded)[DELAY : DELAY + len(samples)]


class _Stream:
    def __init__(self, sound: LiveSound, denoising: Denoising) -> None:
        self.sound, self.denoising = sound, denoising


class DenoiseTask:
    """Task ``denoise``. Roles ``spectrum`` (DTLN's model 1) and ``features`` (model 2).

    Without ``session``: a whole sound, options of `request_audio`, ``strength`` (1), ``output``: "wav" (16 bit) or
    "pcm_f32". With it: a stream as of `LiveSound` (``format``, ``packets``, ``at_ms``), answered in pcm_f32. Values:
    ``sample_rate`` (16000), ``samples``, ``delay_ms`` of a stream. Payload: the sound.
    """

    name: ClassVar[str] = "denoise"

    def __init__(self, model: LoadedModel) -> None:
        self._spectrum = graph(model, "spectrum", (), ())
        self._features = graph(model, "features", (), ())
        for role, session, width in (("spectrum", self._spectrum, 257), ("features", self._features, BLOCK)):
            shapes = [list(tensor.shape) for tensor in session.get_inputs()]
            if shapes != [[1, 1, width], list(_STATE)] or len(session.get_outputs()) != 2:
                raise ValueError(f"{model.entry.name}: {role} takes {shapes}, not a frame of {width} and a state")
        self._streams: Sessions[_Stream] = Sessions()

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """One after the other: hops depend on those before."""
        return one_by_one(requests, self._answer)

    def close(self, session: str) -> None:
        """Forget a stream."""
        self._streams.close(session)

    def warm_up(self) -> Request:
        """A tenth of a second."""
        return Request({"format": "pcm_f32", "sample_rate": RATE_HZ}, bytes(4 * RATE_HZ // 10))

    def _answer(self, request: Request) -> Result:
        session = request.session
        return self._whole(request) if session is None else self._live(session, request)

    def _whole(self, request: Request) -> Result:
        output = choice_option(request.options, "output", ("wav", "pcm_f32"), "wav")
        strength = number_option(request.options, "strength", 1, 0, 1)
        samples = request_audio(request, MAX_WHOLE_S)
        clean = denoise(self._spectrum, self._features, samples, strength)
        payload = to_wav(clean) if output == "wav" else clean.astype("<f4").tobytes()
        return Result({"sample_rate": RATE_HZ, "samples": len(clean), "delay_ms": 0}, payload)

    def _live(self, session: str, request: Request) -> Result:
        last = flag_option(request.options, "last", False)
        stream = self._streams.of(session, lambda: self._new_stream(request))
        clean = [np.zeros(0, np.float32)]
        if request.payload:
            pieces = stream.sound.feed(request.payload, at_ms_option(request.options), request.options.get("packets"))
            clean += [stream.denoising.feed(piece.samples) for piece in pieces]
        elif not last:
            raise TaskError("bad_audio", "no audio: 0 bytes")
        if last:
            clean.append(stream.denoising.feed(np.zeros(BLOCK, np.float32)))
            self._streams.close(session)
        samples = np.concatenate(clean)
        values = {"sample_rate": RATE_HZ, "samples": len(samples), "delay_ms": DELAY * 1000 / RATE_HZ}
        return Result(values, samples.astype("<f4").tobytes())

    def _new_stream(self, request: Request) -> _Stream:
        return _Stream(
            LiveSound(text_option(request.options, "format", "opus"), raw_format(request.options)),
            Denoising(self._spectrum, self._features, number_option(request.options, "strength", 1, 0, 1)),
        )
