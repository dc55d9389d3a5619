"""What is answered to a question. Pure.

Owns the shapes that a model's values must have: a worker may stand on another machine, and says what it likes.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """Of every question."""

    task_id: str
    model: str
    """Which one answered; two, parted by a comma, where two did."""
    latency_ms: float
    """From the question to the answer, waiting included."""


class SpeechSegment(msgspec.Struct, frozen=True, kw_only=True):
    """A phrase."""

    start_ms: int
    end_ms: int
    text: str
    language: str
    """ISO 639-1."""
    confidence: float


class SpeechAnswer(Answer, frozen=True, kw_only=True):
    """What was said."""

    text: str
    language: str
    """The one that most was said in; empty: nothing was."""
    segments: tuple[SpeechSegment, ...]
    duration_ms: int


class SeenFace(msgspec.Struct, frozen=True, kw_only=True):
    """Where a face is."""

    box: tuple[float, float, float, float]
    """Left, top, width, height in pixels."""
    score: float
    """How sure it is that this is a face."""


class ExpressiveFace(SeenFace, frozen=True, kw_only=True):
    """And what it expresses."""

    emotion: str
    """``angry``, ``disgust``, ``fear``, ``happy``, ``sad``, ``surprise``, ``neutral``, or ``unsure``."""
    confidence: float
    scores: dict[str, float]


class EmotionAnswer(Answer, frozen=True, kw_only=True):
    """What faces express. It is what is seen, not a feeling that is known."""

    width: int
    height: int
    faces: tuple[ExpressiveFace, ...]


class CheckedFace(SeenFace, frozen=True, kw_only=True):
    """And whether it is one in front of the camera."""

    verdict: Literal["real", "spoof", "unsure"]
    """``spoof``: a picture or a screen that is held up."""
    antispoof: float
    liveness: float
    """Both 0 to 1; 1 is real."""


class CheckedPicture(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a whole picture was generated."""

    verdict: Literal["generated", "real", "unsure"]
    probability: float


class CheckedVoice(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a voice was synthesised."""

    verdict: Literal["synthetic", "real", "unsure"]
    probability: float
    """That it was."""
    duration_ms: int


class MissingCheck(msgspec.Struct, frozen=True, kw_only=True):
    """A check that was not made."""

    task: str
    reason: str
    """With the way to mend it."""


class SynthesisAnswer(Answer, frozen=True, kw_only=True):
    """Whether something is genuine: a reason to look, never a proof."""

    verdict: Literal["synthetic", "real", "unsure"]
    """Of all checks that were made: the first one that found something, else what all say."""
    faces: tuple[CheckedFace, ...] | None
    """Null: not looked for."""
    picture: CheckedPicture | None
    voice: CheckedVoice | None
    missing: tuple[MissingCheck, ...]


class DenoiseAnswer(Answer, frozen=True, kw_only=True):
    """Speech without the noise."""

    sample_rate: int
    duration_ms: int
    format: Literal["wav"] = "wav"
    audio: bytes
    """Base64: WAV, 16 bit, mono."""


class EnhanceAnswer(Answer, frozen=True, kw_only=True):
    """A better picture."""

    width: int
    height: int
    changed: bool
    brightness_before: float | None = None
    """Mean luma, 0 to 1; of ``brighten``."""
    brightness_after: float | None = None
    format: Literal["jpeg", "png", "webp"]
    image: bytes
    """Base64."""


class ProcessedAnswer(Answer, frozen=True, kw_only=True):
    """What a plugin's processor makes of a model's answer."""

    result: Any
