"""How good a sound is: DNSMOS's opinion, and what is wrong with the signal itself. Pure.

Owns the measurements and the names of faults. DNSMOS P.835 (Reddy et al. 2022) estimates what listeners would say of
the speech, the background and the whole, 1 to 5; its authors give the polynomials that map its raw outputs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np

from appliance.ai.graphs import graph, run_one
from appliance.ai.options import request_audio
from appliance.ai.sound import RATE_HZ, Samples
from appliance.ai.speech.vad import FRAME, VAD_INPUTS, VAD_OUTPUTS, VoiceActivity
from appliance.ai.tasks import one_by_one
from appliance.inference.task import LoadedModel, Request, Result, Session, TaskError

WINDOW = 144_160
"""Samples that DNSMOS hears at once: 9.01 s."""
STEP = 5 * RATE_HZ
MAX_S = 600.0
MIN_S = 0.5

_POLYNOMIALS = {
    "speech": (-0.08397278, 1.22083953, 0.0052439),
    "background": (-0.13166888, 1.60915514, -0.39604546),
    "overall": (-0.06766283, 1.11546468, 0.04602535),
}
"""Of the package speechmos, ``dnsmos.py``: from raw output to mean opinion score."""

CLIPPED_FROM = 0.99
CLIPPED_RUN = 3
"""So many samples in a row at full scale are a clipped peak; one or two a loud one."""
_SPEECH = 0.5
_FLOOR_DBFS = -100.0
FAULTS = {
    "silent": "there is nothing to hear",
    "no_speech": "there is no speech in it",
    "too_quiet": "speech is below -40 dBFS",
    "clipped": "more than 0.1 % of the samples are cut off at full scale",
    "noisy": "the background is less than 15 dB below the speech",
    "narrow": "there is next to nothing above 4 kHz: a telephone, or a headset in its call profile",
    "offset": "its mean is not zero: a broken microphone or sound card",
}
"""Names of what may be wrong."""


def opinion(session: Session, samples: Samples) -> dict[str, float]:
    """Scores 1 to 5 for ``speech``, ``background`` and ``overall``; a short sound is repeated to 9 s."""
    if len(samples) < WINDOW:
        samples = np.tile(samples, -(-WINDOW // len(samples)))
    starts = range(0, len(samples) - WINDOW + 1, STEP)
    # Windows one by one: ten minutes at once would take half a gigabyte in the graph.
    raw = np.mean(
        [run_one(session, session.get_outputs()[0].name, input_1=samples[None, at : at + WINDOW])[0] for at in starts],
        axis=0,
    )
    return {
        name: round(float(np.clip(np.polyval(polynomial, value), 1, 5)), 2)
        for (name, polynomial), value in zip(_POLYNOMIALS.items(), raw, strict=True)
    }


def measure(samples: Samples, probabilities: Sequence[float]) -> dict[str, Any]:
    """Levels and faults of a sound whose frames of `vad.FRAME` samples have these probabilities of speech."""
    frames = samples[: len(samples) // FRAME * FRAME].reshape(-1, FRAME).astype(np.float64)
    power = (frames**2).mean(axis=1)
    spoken = np.array(probabilities[: len(frames)]) >= _SPEECH
    speech_dbfs = _dbfs(power[spoken].mean()) if spoken.any() else None
    # The quietest tenth: where nobody speaks there may still be the ends of words.
    background_dbfs = _dbfs(np.quantile(power, 0.1)) if len(power) else _FLOOR_DBFS
    clipped = _clipped_share(samples)
    offset = float(samples.mean(dtype=np.float64))
    values: dict[str, Any] = {
        "level_dbfs": round(_dbfs(float(np.mean(np.square(samples, dtype=np.float64)))), 1),
        "peak_dbfs": round(_dbfs(float(np.abs(samples).max()) ** 2), 1),
        "speech_dbfs": None if speech_dbfs is None else round(speech_dbfs, 1),
        "background_dbfs": round(background_dbfs, 1),
        "speech_share": round(float(spoken.mean()) if len(spoken) else 0.0, 3),
        "clipped_share": round(clipped, 5),
        "offset": round(offset, 4),
    }
    values["faults"] = [
        name
        for name, wrong in (
            ("silent", values["level_dbfs"] < -70 and speech_dbfs is None),
            ("no_speech", values["level_dbfs"] >= -70 and speech_dbfs is None),
            ("too_quiet", speech_dbfs is not None and speech_dbfs < -40),
            ("clipped", clipped > 0.001),
            ("noisy", speech_dbfs is not None and speech_dbfs - background_dbfs < 15),
            ("narrow", speech_dbfs is not None and _high_share(frames[spoken]) < 1e-4),
            ("offset", abs(offset) > 0.01),
        )
        if wrong
    ]
    return values


def _dbfs(power: float) -> float:
    return max(_FLOOR_DBFS, 10 * float(np.log10(max(power, 1e-20))))


def _clipped_share(samples: Samples) -> float:
    full = (np.abs(samples) >= CLIPPED_FROM).astype(np.int8)
    runs = np.convolve(full, np.ones(CLIPPED_RUN, np.int8), "valid") == CLIPPED_RUN
    return float(runs.mean()) if len(runs) else 0.0


def _high_share(frames: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """The share of power above 4.2 kHz."""
    spectrum = (np.abs(np.fft.rfft(frames * np.hanning(FRAME), axis=1)) ** 2).mean(axis=0)
    high = np.fft.rfftfreq(FRAME, 1 / RATE_HZ) > 4200
    return float(spectrum[high].sum() / max(spectrum.sum(), 1e-20))


class QualityTask:
    """Task ``quality``. Roles ``model`` (DNSMOS) and ``vad``.

    Options of `request_audio`. Values: ``opinion`` (``speech``, ``background``, ``overall``, 1 to 5; None where nobody
    speaks), what `measure` gives, ``duration_ms``.
    """

    name: ClassVar[str] = "quality"

    def __init__(self, model: LoadedModel) -> None:
        self._opinion = graph(model, "model", ("input_1",), ())
        self._vad = graph(model, "vad", VAD_INPUTS, VAD_OUTPUTS)

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """One after the other."""
        return one_by_one(requests, self._answer)

    def _answer(self, request: Request) -> Result:
        samples = request_audio(request, MAX_S)
        if len(samples) < MIN_S * RATE_HZ:
            raise TaskError("bad_audio", f"{len(samples) / RATE_HZ:.2f} s are too short to judge: {MIN_S} s at least")
        values = measure(samples, VoiceActivity(self._vad).feed(samples))
        said = None if values["speech_dbfs"] is None else opinion(self._opinion, samples)
        return Result({"opinion": said, **values, "duration_ms": round(len(samples) / RATE_HZ * 1000)})
