"""Whose voice it is: an embedding of a voice, and several people told apart on one microphone. Pure.

Owns the model's windows (GE2E, Wan et al. 2018, by Resemblyzer) and the assignment of phrases to voices. It names
nobody: in a meeting, tracks do that, and this is for a room that shares one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, cast

import numpy as np

from appliance.ai.graphs import Floats, graph, rounded, run_one
from appliance.ai.options import number_option, request_audio
from appliance.ai.sound import RATE_HZ, Samples
from appliance.ai.speech.mel import power_mel
from appliance.ai.tasks import Sessions, one_by_one
from appliance.inference.task import LoadedModel, Request, Result, Session, TaskError

BANDS = 40
WINDOW = 160
"""Frames of 10 ms: the model was trained on 1.6 s."""
STEP = 80
LOUDNESS_DBFS = -30.0
"""The model was trained on sounds of this level."""
MIN_S = 0.8
"""Below half a window an embedding says more about the words than about the voice."""
MAX_S = 60.0
"""More adds nothing to what is known of a voice."""
SAME_VOICE = 0.80
"""Cosine similarity from which on it is the same voice. Measured on phrases of 3 s and more: 0.85 to 0.95 for the same,
0.40 to 0.75 for others."""
_LEAST_LEVEL = 1e-5
"""RMS; below -100 dBFS there is nothing to hear."""


def embed(session: Session, samples: Samples) -> Floats:
    """The voice, a unit vector of 256. TaskError ``bad_audio`` when it is too short or silent."""
    if len(samples) < MIN_S * RATE_HZ:
        raise TaskError("bad_audio", f"{len(samples) / RATE_HZ:.1f} s are too short for a voice: {MIN_S} s at least")
    level = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    if level < _LEAST_LEVEL:
        raise TaskError("bad_audio", "silence has no voice")
    gain = 10 ** (LOUDNESS_DBFS / 20) / level
    frames = power_mel((samples * gain).astype(np.float32)[: int(MAX_S * RATE_HZ)], BANDS)
    if len(frames) < WINDOW:
        frames = np.pad(frames, ((0, WINDOW - len(frames)), (0, 0)))
    starts = range(0, len(frames) - WINDOW + 1, STEP)
    embeddings = run_one(session, "embedding", mels=np.stack([frames[at : at + WINDOW] for at in starts]))
    mean = embeddings.mean(axis=0)
    return cast(Floats, (mean / max(float(np.linalg.norm(mean)), 1e-9)).astype(np.float32))


@dataclass
class _Voice:
    total: Floats
    """Sum of its embeddings, each weighted by its length."""

    def likeness(self, embedding: Floats) -> float:
        return float(self.total @ embedding / np.linalg.norm(self.total))


class Voices:
    """Tells the voices of one microphone apart, as phrases come: the first is 1, a new one the next number."""

    def __init__(self, same_voice: float = SAME_VOICE, most: int = 16) -> None:
        """``most`` voices; later ones are given to the most similar."""
        self._same_voice, self._most = same_voice, most
        self._voices: list[_Voice] = []

    def assign(self, embedding: Floats, length_s: float) -> tuple[int, float]:
        """The voice's number, and how similar it is to what was known of it (1 for a new one)."""
        likenesses = [voice.likeness(embedding) for voice in self._voices]
        best = int(np.argmax(likenesses)) if likenesses else -1
        if best < 0 or (likenesses[best] < self._same_voice and len(self._voices) < self._most):
            self._voices.append(_Voice(embedding * length_s))
            return len(self._voices), 1.0
        self._voices[best].total = self._voices[best].total + embedding * length_s
        return best + 1, likenesses[best]


class SpeakerTask:
    """Task ``speaker``. Role ``model``: ``mels`` (N, frames, 40) to ``embedding`` (N, 256).

    A phrase of one voice: options of `request_audio`, ``session`` for a microphone that several share, ``same_voice``
    (0.80). Values: ``embedding``, ``duration_ms``, and with a session ``voice``, its number, and ``similarity``.
    """

    name: ClassVar[str] = "speaker"

    def __init__(self, model: LoadedModel) -> None:
        self._session = graph(model, "model", ("mels",), ("embedding",))
        self._microphones: Sessions[Voices] = Sessions()

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """One after the other; the windows of one are a batch already."""
        return one_by_one(requests, self._answer)

    def close(self, session: str) -> None:
        """Forget the voices of a microphone."""
        self._microphones.close(session)

    def _answer(self, request: Request) -> Result:
        same_voice = number_option(request.options, "same_voice", SAME_VOICE, 0, 1)
        samples = request_audio(request, 600.0)
        embedding = embed(self._session, samples)
        length_s = len(samples) / RATE_HZ
        values: dict[str, object] = {"embedding": rounded(embedding, 5), "duration_ms": round(length_s * 1000)}
        if request.session is not None:
            voices = self._microphones.of(request.session, lambda: Voices(same_voice))
            number, similarity = voices.assign(embedding, length_s)
            values |= {"voice": number, "similarity": round(similarity, 3)}
        return Result(values)
