"""What several looks at a camera say together: an expression that holds, an alert that is worth a host's time. Pure.

Owns how many looks must agree. One look says little (`ai.vision` has the measured numbers), so a label changes only
when two looks agree, and an alert needs `AGREEING` in a row. What a model abstains from counts for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeVar

import msgspec

from appliance.signaling.messages import AlertKind, Expression

HOLDS_AFTER = 2
"""Looks that must agree before people are told of another expression: at one a second, two seconds."""
GONE_AFTER = 3
"""Looks without a face, or without an opinion, until nothing is said any more."""
AGREEING = 4
"""Looks in a row that must accuse: at one each two seconds, eight seconds of it."""
EXPRESSIONS: tuple[Expression, ...] = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")


class _Face(msgspec.Struct, frozen=True):
    box: tuple[float, float, float, float]
    """Left, top, width, height."""


class _ExpressiveFace(_Face, frozen=True):
    emotion: Expression | Literal["unsure"]
    confidence: float


class _CheckedFace(_Face, frozen=True):
    verdict: Literal["real", "spoof", "unsure"]
    antispoof: float
    liveness: float


class _Faces(msgspec.Struct, frozen=True):
    faces: tuple[_ExpressiveFace, ...]


class _CheckedFaces(msgspec.Struct, frozen=True):
    faces: tuple[_CheckedFace, ...]


class _Judged(msgspec.Struct, frozen=True):
    verdict: Literal["real", "generated", "unsure"]
    probability: float


class Accusation(msgspec.Struct, frozen=True, kw_only=True):
    """That one look, or several, found something."""

    kind: AlertKind
    score: float
    """0 to 1."""
    box: tuple[float, float, float, float] | None = None
    """Of the face: left, top, width, height in pixels; None where the whole picture is meant."""


class Look(msgspec.Struct, frozen=True):
    """What one look says of an expression."""

    label: Expression | None
    score: float


def expression_of(values: object) -> Look:
    """Of the largest face in the answer of task ``emotion``. msgspec.ValidationError when it is another answer."""
    faces = msgspec.convert(values, _Faces).faces
    if not faces:
        return Look(None, 0.0)
    face = _largest(faces)
    return Look(None if face.emotion == "unsure" else face.emotion, min(1.0, max(0.0, face.confidence)))


def spoof_of(values: object) -> Accusation | None:
    """Of the answer of task ``spoof``: the face that it is surest of. msgspec.ValidationError."""
    accused = [face for face in msgspec.convert(values, _CheckedFaces).faces if face.verdict == "spoof"]
    if not accused:
        return None
    worst = min(accused, key=lambda face: face.antispoof + face.liveness)
    score = 1 - (worst.antispoof + worst.liveness) / 2
    return Accusation(kind="face_spoof", score=min(1.0, max(0.0, score)), box=worst.box)


def generated_of(values: object) -> Accusation | None:
    """Of the answer of task ``synthesis`` to a picture. msgspec.ValidationError."""
    judged = msgspec.convert(values, _Judged)
    if judged.verdict != "generated":
        return None
    return Accusation(kind="generated_picture", score=min(1.0, max(0.0, judged.probability)))


class Expressions:
    """The expression of one face over time."""

    def __init__(self) -> None:
        self.label: Expression | None = None
        """What people are told."""
        self._other: Expression | None = None
        self._times = 0
        self._missing = 0

    def see(self, look: Look) -> bool:
        """Whether `label` has changed by this look."""
        if look.label is None:
            self._other, self._times = None, 0
            self._missing += 1
            return self._missing >= GONE_AFTER and self._becomes(None)
        self._missing = 0
        self._times = self._times + 1 if look.label == self._other else 1
        self._other = look.label
        return self._times >= HOLDS_AFTER and self._becomes(look.label)

    def _becomes(self, label: Expression | None) -> bool:
        changed, self.label = label != self.label, label
        return changed


class Suspicion:
    """Whether several looks in a row accuse."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def see(self, accusation: Accusation | None) -> bool:
        """Whether this look is the last one that was needed; the count begins anew then."""
        self._in_a_row = 0 if accusation is None else self._in_a_row + 1
        if self._in_a_row < AGREEING:
            return False
        self._in_a_row = 0
        return True


F = TypeVar("F", bound=_Face)


def _largest(faces: Sequence[F]) -> F:
    return max(faces, key=lambda face: face.box[2] * face.box[3])
