"""Whether a voice is synthetic, by whichever network an administrator's catalog names. Pure.

Owns the windows and the band in which nothing is said. No entry of ours: no package carries weights. The contract is
that of ASVspoof's end-to-end baselines (RawNet2, AASIST; Jung et al. 2022): samples at 16 kHz in, two logits out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import numpy as np

from appliance.ai.graphs import graph, softmax
from appliance.ai.options import number_option, request_audio
from appliance.ai.sound import RATE_HZ, Samples
from appliance.ai.tasks import one_by_one
from appliance.inference.task import LoadedModel, Request, Result, TaskError

WINDOW = 64_600
"""Samples that AASIST hears at once: 4.04 s; shorter sounds are repeated, as in its training."""
MAX_S = 600.0
MIN_S = 0.5
"""Less of a voice says nothing."""
QUIET = 1e-4
"""RMS; silence is neither, and generators' silence is cleaner than any room's."""
BATCH = 8
"""Windows that a graph gets at once."""
SYNTHETIC_FROM = 0.9
REAL_BELOW = 0.35
"""Mean probability; between the two nothing is said. Who brings a network has measured it, and may say others."""


class SyntheticVoiceTask:
    """Task ``synthetic_voice``. Role ``model``: float32 (N, samples) to logits (N, 2), of spoofed and genuine speech.

    Options of `request_audio`. Values: ``verdict`` ("synthetic", "real", "unsure"), ``probability`` that it is
    synthetic, ``duration_ms``.

    Of the entry's options: ``window``, the samples of a window (64600); ``genuine``, the place of genuine speech's
    logit (1); ``synthetic_from`` (0.9), ``real_below`` (0.35).
    """

    name: ClassVar[str] = "synthetic_voice"

    def __init__(self, model: LoadedModel) -> None:
        """ValueError when the graph or the options do not fit."""
        self._model = graph(model, "model", (), ())
        inputs, outputs = self._model.get_inputs(), self._model.get_outputs()
        if len(inputs) != 1 or len(inputs[0].shape) != 2 or len(outputs[0].shape) != 2:
            raise ValueError(f"{model.entry.name}: the graph does not take windows of samples and give two logits")
        self._input, self._output = inputs[0].name, outputs[0].name
        options = model.entry.options
        try:
            self._window = int(number_option(options, "window", WINDOW, 1, 60 * RATE_HZ))
            self._genuine = int(number_option(options, "genuine", 1, 0, 1))
            self._synthetic_from = number_option(options, "synthetic_from", SYNTHETIC_FROM, 0, 1)
            self._real_below = number_option(options, "real_below", REAL_BELOW, 0, 1)
        except TaskError as error:
            raise ValueError(f"{model.entry.name}: {error.message}") from None

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """One after the other; windows of a sound in batches."""
        return one_by_one(requests, self._answer)

    def _answer(self, request: Request) -> Result:
        samples = request_audio(request, MAX_S)
        if len(samples) < MIN_S * RATE_HZ:
            raise TaskError("bad_audio", f"{len(samples) / RATE_HZ:.2f} s of audio, less than {MIN_S} s")
        heard = [window for window in windows(samples, self._window) if np.sqrt(np.mean(window**2)) > QUIET]
        probability = self._probability(np.stack(heard)) if heard else 0.5
        return Result(
            {
                "verdict": self._verdict(probability) if heard else "unsure",
                "probability": round(probability, 3),
                "duration_ms": round(len(samples) * 1000 / RATE_HZ),
            }
        )

    def _probability(self, heard: Samples) -> float:
        found = []
        for at in range(0, len(heard), BATCH):
            logits = self._model.run([self._output], {self._input: heard[at : at + BATCH]})[0]
            if logits.shape[1:] != (2,):
                raise ValueError(f"the graph gave {logits.shape}, not two logits for each window")
            found.append(1 - softmax(logits)[:, self._genuine])
        return float(np.concatenate(found).mean())

    def _verdict(self, probability: float) -> str:
        if probability >= self._synthetic_from:
            return "synthetic"
        return "real" if probability < self._real_below else "unsure"


def windows(samples: Samples, length: int) -> list[Samples]:
    """Windows that follow each other; the last one ends with the sound, and a short sound is repeated."""
    if len(samples) < length:
        return [np.resize(samples, length).astype(np.float32)]
    starts = [*range(0, len(samples) - length, length), len(samples) - length]
    return [samples[at : at + length] for at in starts]
