"""Whisper: speech of 99 languages into text. Slower than Moonshine: it always hears 30 s. Pure.

Owns the prompt, decoding with its guards, and the detection of the language. Phrases come from `phrases`. The graphs
are those of `conversion.whisper`.
"""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.ai.graphs import graph, softmax
from appliance.ai.sound import RATE_HZ, Samples
from appliance.ai.speech.byte_pairs import BytePairs
from appliance.ai.speech.captions import CaptionsTask, Recogniser
from appliance.ai.speech.mel import WHISPER_S, whisper_mel
from appliance.ai.speech.transcript import Transcript, repeats, without_repetition
from appliance.inference.task import LoadedModel

_MAX_TOKENS = 220
"""Whisper's own limit is 224, half of its context; 14 s of the fastest speech have about 100."""
_TOKENS_PER_S = 12
"""Chinese and Hindi take up to two tokens a syllable; more than this is a loop."""
_REPETITION_PENALTY = 1.15
"""Logits of what was said in this phrase are divided by it (Keskar et al. 2019, §4.1)."""
_NO_SPEECH = 0.6
_NO_SPEECH_CONFIDENCE = 0.37
"""Radford et al. 2022 §4.5: it is silence when the token for it has 0.6 and the mean log-probability is below -1."""
_EXPECTED_ODDS = 4.0
"""So much likelier than any other is the language that was spoken before: short phrases sound like anything."""
_PROMPTS = {"zh": "以下是普通话的句子。"}
"""Sets the style: simplified characters, with punctuation."""


class Whisper(Recogniser):
    """Roles ``encoder``, ``decoder``, ``tokenizer`` (tokenizer.json) and ``config`` (config.json of CTranslate2)."""

    partial_s = None
    max_phrase_s = 14.0
    """Far below the 30 s that it can hear: somebody waits for the caption."""

    def __init__(self, model: LoadedModel) -> None:
        """ValueError when the files do not fit."""
        self._encoder = graph(model, "encoder", ("mel",), ("cross_k_0", "cross_v_0"))
        self._decoder = graph(
            model, "decoder", ("input_ids", "past_k_0", "past_v_0", "cross_k_0"), ("logits", "present_k_0")
        )
        self._vocabulary = BytePairs(model.path("tokenizer"))
        self._crosses = [tensor.name for tensor in self._encoder.get_outputs()]
        self._outputs = [tensor.name for tensor in self._decoder.get_outputs()]
        self._empty = {
            tensor.name: np.zeros((1, int(tensor.shape[1] or 0), 0, int(tensor.shape[3] or 0)), np.float32)
            for tensor in self._decoder.get_inputs()
            if tensor.name.startswith("past_") and isinstance(tensor.shape[1], int) and isinstance(tensor.shape[3], int)
        }
        special = self._vocabulary.special
        self._start, self._end = special("<|startoftranscript|>"), special("<|endoftext|>")
        self._task = [special("<|transcribe|>"), special("<|notimestamps|>")]
        self._previous, self._nothing = special("<|startofprev|>"), special("<|nospeech|>")
        config = msgspec.json.decode(model.path("config").read_bytes())
        names = {number: name.strip("<|>") for name, number in self._vocabulary.special_tokens().items()}
        self._language_ids = {names[number]: number for number in config["lang_ids"]}
        self.languages = tuple(self._language_ids)
        self._never = np.array([i for i in config["suppress_ids"] if i >= 0], np.int64)
        self._never_first = np.array([i for i in config["suppress_ids_begin"] if i >= 0], np.int64)
        self._prompts = {code: self._prompt(text) for code, text in _PROMPTS.items()}

    def _prompt(self, text: str) -> list[int]:
        return [self._previous, *self._vocabulary.encode_word(text[:-1]), *self._vocabulary.encode_word(text[-1])]

    def transcribe(self, samples: Samples, language: str | None, expected: str | None = None) -> Transcript:
        """The text of a phrase of at most 30 s."""
        crosses = dict(zip(self._crosses, self._encoder.run(self._crosses, {"mel": whisper_mel(samples)}), strict=True))
        first, _ = self._step([self._start], crosses, self._empty)
        nothing = float(softmax(first)[self._nothing])
        certainty = 1.0
        if language is None:
            language, certainty = self._detected(first, expected)
        tokens, confidence = self._decode(crosses, language, len(samples) / RATE_HZ)
        text = without_repetition(self._vocabulary.decode(tokens).strip())
        if nothing > _NO_SPEECH and confidence < _NO_SPEECH_CONFIDENCE:
            text = ""
        return Transcript(text, language, confidence, certainty)

    def detect_language(self, samples: Samples) -> dict[str, float]:
        """The probability of each language that is spoken in the first 30 s."""
        crosses = dict(zip(self._crosses, self._encoder.run(self._crosses, {"mel": whisper_mel(samples)}), strict=True))
        first, _ = self._step([self._start], crosses, self._empty)
        return self._probabilities(first)

    def _probabilities(self, first: NDArray[Any]) -> dict[str, float]:
        chances = softmax(first[list(self._language_ids.values())])
        return {code: float(chance) for code, chance in zip(self._language_ids, chances, strict=True)}

    def _detected(self, first: NDArray[Any], expected: str | None) -> tuple[str, float]:
        chances = self._probabilities(first)
        if expected in chances:
            chances[expected] *= _EXPECTED_ODDS
        total = sum(chances.values())
        best = max(chances, key=lambda code: chances[code])
        return best, chances[best] / total

    def _step(
        self, tokens: list[int], crosses: dict[str, Any], past: dict[str, Any]
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Logits after the last token, and the cache with all of them."""
        logits, *presents = self._decoder.run(
            self._outputs, {"input_ids": np.array([tokens], np.int64), **crosses, **past}
        )
        names = [name.replace("present", "past") for name in self._outputs[1:]]
        return logits[0, -1], dict(zip(names, presents, strict=True))

    def _decode(self, crosses: dict[str, Any], language: str, length_s: float) -> tuple[list[int], float]:
        """Greedy; once more, with penalties, when it went round in circles.

        Not with penalties at once: "it was the best of times, it was the worst of times" is speech.
        """
        prompt = [*self._prompts.get(language, []), self._start, self._language_ids[language], *self._task]
        logits, past = self._step(prompt, crosses, self._empty)
        most = min(_MAX_TOKENS, int(min(length_s, WHISPER_S) * _TOKENS_PER_S) + 12)
        tokens, confidence, ended = self._greedy(logits, crosses, past, most, penalties=False)
        if not ended:
            tokens, confidence, _ = self._greedy(logits, crosses, past, most, penalties=True)
        return tokens, confidence

    def _greedy(
        self, logits: NDArray[np.float32], crosses: dict[str, Any], past: dict[str, Any], most: int, *, penalties: bool
    ) -> tuple[list[int], float, bool]:
        """Tokens, the geometric mean of their probabilities, and whether the model came to an end by itself."""
        tokens: list[int] = []
        log_probability = 0.0
        ended = False
        while len(tokens) < most and not repeats(tokens):
            allowed = logits.astype(np.float64)
            allowed[self._never] = -np.inf
            if not tokens:
                allowed[self._never_first] = -np.inf
            allowed[self._end + 1 :] = -np.inf
            probabilities = softmax(allowed)
            if penalties:
                _penalise(allowed, tokens)
            token = int(allowed.argmax())
            log_probability += float(np.log(max(probabilities[token], 1e-12)))
            ended = token == self._end
            if ended:
                break
            tokens.append(token)
            logits, past = self._step([token], crosses, past)
        return tokens, float(np.exp(log_probability / (len(tokens) + 1))), ended


def _penalise(scores: NDArray[np.float64], tokens: list[int]) -> None:
    """Make less likely what was said, and impossible to say the same three tokens twice."""
    said = np.array(sorted(set(tokens)), np.int64)
    scores[said] = np.where(scores[said] > 0, scores[said] / _REPETITION_PENALTY, scores[said] * _REPETITION_PENALTY)
    for at in range(len(tokens) - 2):
        if tokens[at : at + 2] == tokens[-2:]:
            scores[tokens[at + 2]] = -np.inf


class WhisperTask(CaptionsTask):
    """Task ``asr`` by Whisper; options and values are those of `CaptionsTask`. One more role: ``vad``."""

    recogniser = Whisper
