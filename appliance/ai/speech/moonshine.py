"""Moonshine: English speech into text, quick enough for captions while somebody speaks. Pure.

Owns the model's tokens and decoding; where phrases begin and end is `phrases`, the stream around it `captions`. The
model (Jeffries et al., 2024, arXiv:2410.15608) hears samples, no spectrogram, and its cost grows with the length of the
phrase, where Whisper's is that of 30 s always.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from appliance.ai.graphs import graph, run_one, softmax
from appliance.ai.sound import RATE_HZ, Samples
from appliance.ai.speech.captions import CaptionsTask, Recogniser
from appliance.ai.speech.transcript import Transcript, repeats, without_repetition
from appliance.inference.task import LoadedModel

_BEGIN, _END = 1, 2
_TOKENS_PER_S = 6.5
"""The authors' limit: people do not speak faster, a model that repeats itself does."""
_SPACE = "▁".encode()
_SHORTEST = 0.15
"""Seconds; the encoder's convolutions need some."""


def read_tokens(path: Path) -> list[bytes]:
    """The vocabulary of ``tokenizer.bin``: each token is its length and its bytes; lengths from 128 on take two bytes.

    ValueError when the file is cut off.
    """
    data, at, tokens = path.read_bytes(), 0, list[bytes]()
    while at < len(data):
        length = data[at]
        at += 1
        if length >= 128:
            if at == len(data):
                raise ValueError("the vocabulary is cut off")
            length += (data[at] - 1) * 128
            at += 1
        if at + length > len(data):
            raise ValueError("the vocabulary is cut off")
        tokens.append(data[at : at + length])
        at += length
    return tokens


class Moonshine(Recogniser):
    """Roles ``encoder``, ``decoder`` and ``tokenizer``."""

    languages = ("en",)
    partial_s = 0.7
    max_phrase_s = 14.0

    def __init__(self, model: LoadedModel) -> None:
        """ValueError when the files do not fit."""
        self._encoder = graph(model, "encoder", ("input_values", "attention_mask"), ("last_hidden_state",))
        self._decoder = graph(
            model,
            "decoder",
            ("input_ids", "encoder_hidden_states", "encoder_attention_mask", "use_cache_branch"),
            ("logits",),
        )
        self._tokens = read_tokens(model.path("tokenizer"))
        self._caches = {
            tensor.name: (int(tensor.shape[1] or 0), int(tensor.shape[3] or 0))
            for tensor in self._decoder.get_inputs()
            if tensor.name.startswith("past_key_values.") and isinstance(tensor.shape[1], int)
            and isinstance(tensor.shape[3], int)
        }  # fmt: skip
        self._outputs = [tensor.name for tensor in self._decoder.get_outputs()]
        if not self._caches or len(self._outputs) != len(self._caches) + 1:
            raise ValueError(f"{model.entry.name}: the decoder's caches do not fit its outputs")
        self._pasts = [name.replace("present", "past_key_values") for name in self._outputs[1:]]

    def transcribe(self, samples: Samples, language: str | None, expected: str | None = None) -> Transcript:
        """The text of a phrase; it is English whatever is asked for."""
        if len(samples) < _SHORTEST * RATE_HZ:
            return Transcript("", "en", 0.0)
        tokens, confidence = self._decode(samples)
        raw = b"".join(self._tokens[token] for token in tokens if token < len(self._tokens))
        text = raw.replace(_SPACE, b" ").decode("utf-8", "replace").strip()
        return Transcript(without_repetition(text), "en", confidence)

    def _decode(self, samples: Samples) -> tuple[list[int], float]:
        """Greedy: tokens, and the geometric mean of their probabilities."""
        heard = samples[None].astype(np.float32)
        mask = np.ones(heard.shape, np.int64)
        hidden = run_one(self._encoder, "last_hidden_state", input_values=heard, attention_mask=mask)
        past: dict[str, Any] = {
            name: np.zeros((1, heads, 0, width), np.float32) for name, (heads, width) in self._caches.items()
        }
        tokens: list[int] = []
        log_probability = 0.0
        last, cached = _BEGIN, False
        for _ in range(max(8, int(len(samples) / RATE_HZ * _TOKENS_PER_S) + 4)):
            outputs = self._decoder.run(
                self._outputs,
                {
                    "input_ids": np.array([[last]], np.int64),
                    "encoder_hidden_states": hidden,
                    "encoder_attention_mask": mask,
                    "use_cache_branch": np.array([cached]),
                    **past,
                },
            )
            probabilities = softmax(outputs[0][0, -1])
            last = int(probabilities.argmax())
            log_probability += float(np.log(probabilities[last]))
            if last == _END:
                break
            tokens.append(last)
            if repeats(tokens):
                break
            for name, value in zip(self._pasts, outputs[1:], strict=True):
                # What the encoder said is computed at the first step alone; later steps give an empty tensor for it.
                if not (cached and ".encoder." in name):
                    past[name] = value
            cached = True
        return tokens, float(np.exp(log_probability / (len(tokens) + 1)))


class MoonshineTask(CaptionsTask):
    """Task ``asr`` by Moonshine; options and values are those of `CaptionsTask`. One more role: ``vad``."""

    recogniser = Moonshine
