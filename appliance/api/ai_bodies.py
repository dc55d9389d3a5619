"""Questions to the models as JSON: the options of `questions.options`, with the sound or picture in base64."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from appliance.api.bodies import Body
from appliance.questions.options import (
    AsrOptions,
    DenoiseOptions,
    EmotionOptions,
    EnhanceOptions,
    Function,
    SynthesisOptions,
)

MAX_BATCH = 16
"""Questions of one batch: they are held at the same time."""


class AsrBody(AsrOptions, frozen=True, kw_only=True):
    audio: bytes


class EmotionBody(EmotionOptions, frozen=True, kw_only=True):
    image: bytes


class SynthesisBody(SynthesisOptions, frozen=True, kw_only=True):
    """One of both."""

    image: bytes | None = None
    audio: bytes | None = None


class DenoiseBody(DenoiseOptions, frozen=True, kw_only=True):
    audio: bytes


class EnhanceBody(EnhanceOptions, frozen=True, kw_only=True):
    image: bytes


class BatchedQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question of several."""

    task: Function
    audio: bytes | None = None
    image: bytes | None = None
    """One of both, as the task takes it."""
    options: dict[str, Any] = {}
    """As of the task's own endpoint."""


class BatchBody(Body, frozen=True, kw_only=True):
    requests: Annotated[list[BatchedQuestion], Meta(min_length=1, max_length=MAX_BATCH)]
