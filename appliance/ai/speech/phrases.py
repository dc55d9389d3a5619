"""A stream of samples cut into phrases: from the first sound of speech to the pause after it. Pure.

Owns the rules of cutting; the probabilities come from `vad`. A phrase that gets longer than a recogniser can take is
cut at its quietest place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from appliance.ai.graphs import graph, rounded
from appliance.ai.options import number_option, request_audio
from appliance.ai.sound import MAX_AUDIO_S, RATE_HZ, Samples
from appliance.ai.speech.vad import FRAME, FRAME_S, VAD_INPUTS, VAD_OUTPUTS, VoiceActivity
from appliance.ai.tasks import one_by_one
from appliance.inference.task import LoadedModel, Request, Result, TaskError


@dataclass(frozen=True)
class PhraseRules:
    """When a phrase begins and ends."""

    threshold: float = 0.5
    """Speech from this probability on; the model's authors' default."""
    hysteresis: float = 0.15
    """It ends so far below the threshold: a probability in between goes on with what there was."""
    pause_s: float = 0.45
    """So long a pause ends a phrase. Shorter ones are between words; measured on read speech, 0.35 s cuts clauses apart
    and costs a word in fifty, 0.6 s has every caption wait."""
    before_s: float = 0.2
    """Taken along before speech is noticed: soft beginnings are below the threshold."""
    after_s: float = 0.15
    """Taken along of the pause."""
    min_speech_s: float = 0.4
    """Less speech than this is a breath, a click or a cough, and recognisers invent words for it."""
    max_s: float = 14.0
    """Longest phrase: recognisers are worse beyond, and slower than their partial results are wanted."""
    cut_window_s: float = 4.0
    """A phrase that is too long is cut at the quietest place of so much of its end."""


@dataclass(frozen=True)
class Phrase:
    """Speech of one stream."""

    start_s: float
    end_s: float
    samples: Samples
    speech: float
    """Mean probability of speech in it."""


class Phrases:
    """Cuts one stream. Times count from the first sample that was fed, plus what `skip` added."""

    def __init__(self, activity: VoiceActivity, rules: PhraseRules | None = None) -> None:
        self._activity = activity
        self._rules = rules or PhraseRules()
        self._samples = np.zeros(0, np.float32)
        self._offset = 0
        """Index in the stream of the first sample that is kept."""
        self._judged = 0
        """Index in the stream up to which probabilities are known."""
        self._start: int | None = None
        """Where the phrase that goes on began."""
        self._probabilities: list[float] = []
        """Of its frames."""
        self._silent = 0
        """Frames of silence at its end."""
        self._shift_s = 0.0

    @property
    def speaking(self) -> bool:
        """Whether a phrase goes on."""
        return self._start is not None

    def feed(self, samples: Samples) -> list[Phrase]:
        """Phrases that ended."""
        self._samples = np.concatenate([self._samples, samples])
        found = []
        for probability in self._activity.feed(samples):
            self._judged += FRAME
            phrase = self._judge(probability)
            if phrase is not None:
                found.append(phrase)
        self._forget()
        return found

    def open(self) -> Phrase | None:
        """The phrase that goes on, as far as it is there and long enough to be recognised."""
        if self._start is None or self._spoken_s() < self._rules.min_speech_s:
            return None
        return self._phrase(self._start, self._judged, self._probabilities)

    def finish(self) -> list[Phrase]:
        """The stream ends: what goes on is a phrase, if it is long enough."""
        if self._start is None:
            return []
        phrase = self._end(min(self._judged + FRAME, self._offset + len(self._samples)))
        return [phrase] if phrase is not None else []

    def skip(self, gap_s: float) -> None:
        """So much of the stream is not there, and was not fed as silence."""
        self._shift_s += gap_s

    def _judge(self, probability: float) -> Phrase | None:
        rules = self._rules
        if self._start is None:
            if probability >= rules.threshold:
                self._start = max(self._offset, self._judged - FRAME - int(rules.before_s * RATE_HZ))
                self._probabilities, self._silent = [probability], 0
            return None
        self._probabilities.append(probability)
        if probability >= rules.threshold - rules.hysteresis:
            self._silent = 0
        else:
            self._silent += 1
            if self._silent * FRAME_S >= rules.pause_s:
                return self._end(self._judged - self._silent * FRAME + int(rules.after_s * RATE_HZ))
        if (self._judged - self._start) / RATE_HZ >= rules.max_s:
            return self._cut()
        return None

    def _spoken_s(self) -> float:
        return sum(p >= self._rules.threshold for p in self._probabilities) * FRAME_S

    def _end(self, end: int) -> Phrase | None:
        start, self._start = self._start, None
        if start is None or self._spoken_s() < self._rules.min_speech_s:
            return None
        kept = self._probabilities[: len(self._probabilities) - self._silent] or self._probabilities
        return self._phrase(start, end, kept)

    def _cut(self) -> Phrase:
        """End the phrase at its quietest place; what is behind it begins the next one."""
        assert self._start is not None
        window = max(1, min(int(self._rules.cut_window_s / FRAME_S), len(self._probabilities) - 1))
        behind = window - int(np.argmin(self._probabilities[-window:]))
        end = self._judged - behind * FRAME + FRAME // 2
        phrase = self._phrase(self._start, end, self._probabilities[:-behind])
        self._start = end
        self._probabilities = self._probabilities[-behind:]
        self._silent = min(self._silent, behind)
        return phrase

    def _phrase(self, start: int, end: int, probabilities: list[float]) -> Phrase:
        samples = self._samples[start - self._offset : end - self._offset]
        mean = float(np.mean(probabilities)) if probabilities else 0.0
        return Phrase(start / RATE_HZ + self._shift_s, end / RATE_HZ + self._shift_s, samples.copy(), mean)

    def _forget(self) -> None:
        """Keep what a phrase that goes on, or begins next, may need."""
        keep = self._start if self._start is not None else self._judged - int(self._rules.before_s * RATE_HZ) - FRAME
        drop = max(0, keep - self._offset)
        self._samples = self._samples[drop:]
        self._offset += drop


class VadTask:
    """Task ``vad``: where speech is. Role ``vad``.

    Options: ``format`` and those of `request_audio`, ``threshold`` (0.5). Values: ``segments`` of ``start_ms`` and
    ``end_ms``, ``speech_ms`` of all, ``duration_ms``.
    """

    name: ClassVar[str] = "vad"

    def __init__(self, model: LoadedModel) -> None:
        self._session = graph(model, "vad", VAD_INPUTS, VAD_OUTPUTS)

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """One after the other: frames depend on those before."""
        return one_by_one(requests, self._one)

    def _one(self, request: Request) -> Result:
        threshold = number_option(request.options, "threshold", PhraseRules().threshold, 0.05, 0.95)
        samples = request_audio(request, MAX_AUDIO_S)
        phrases = Phrases(VoiceActivity(self._session), PhraseRules(threshold=threshold))
        found = [*phrases.feed(samples), *phrases.finish()]
        spans = [rounded([phrase.start_s * 1000, phrase.end_s * 1000], 0) for phrase in found]
        return Result(
            {
                "segments": [{"start_ms": int(start), "end_ms": int(end)} for start, end in spans],
                "speech_ms": int(sum(end - start for start, end in spans)),
                "duration_ms": round(len(samples) / RATE_HZ * 1000),
            }
        )
