"""Questions to the models as JSON: the options of `questions.options`, with the sound or picture in base64."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import Meta

from appliance.api.bodies import Body, Text
from appliance.questions.options import (
    AsrOptions,
    DenoiseOptions,
    EmotionOptions,
    EnhanceOptions,
    Function,
    Language,
    PluggedOptions,
    SynthesisOptions,
)
from appliance.questions.queued import QueuedTask

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


class PluggedBody(PluggedOptions, frozen=True, kw_only=True):
    """One of both, as the processor takes it."""

    image: bytes | None = None
    audio: bytes | None = None


class BatchedQuestion(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One question of several."""

    task: Function
    audio: bytes | None = None
    image: bytes | None = None
    """One of both, as the task takes it."""
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    """As of the task's own endpoint."""


class SubmitBody(Body, frozen=True, kw_only=True):
    """One question that nobody waits for."""

    task: QueuedTask
    audio: bytes | None = None
    image: bytes | None = None
    """One of both, as the task takes it."""
    options: dict[str, Any] = msgspec.field(default_factory=dict)
    """As of the task's own endpoint."""
    meeting_id: Text | None = None
    """Id or code of a meeting whose members may see the answer."""


class AnalyzeBody(Body, frozen=True, kw_only=True):
    """A file of `POST /media/upload`: of a sound or a film what is said, of a picture what faces express."""

    media_id: Text
    tasks: Annotated[list[QueuedTask], Meta(min_length=1, max_length=3)] | None = None
    """Null: all that fit what the file is."""
    language: Language = "auto"


class BatchBody(Body, frozen=True, kw_only=True):
    requests: Annotated[list[BatchedQuestion], Meta(min_length=1, max_length=MAX_BATCH)]
