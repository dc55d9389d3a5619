"""A stream of sound or pictures to a model: what is said on it, and what waits of it. Pure.

Owns the messages, the buffer between a client and a worker, and how results of a worker that was started anew join
those before. Refuses to know sockets and time. STREAM.md beside this file describes them for
people, and is checked against this module.
"""

from __future__ import annotations

from collections import deque
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from appliance.questions.answers import ExpressiveFace
from appliance.questions.options import Language, ModelName

MAX_STEP_PACKETS = 250
"""Of Opus in one request: 5 s of the usual 20 ms."""
MAX_STEP_S = 5.0
"""Of PCM in one request."""
_SAMPLE_BYTES = {"pcm": 2, "pcm_f32": 4}


class Start(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="start", forbid_unknown_fields=True):
    """The first message."""

    task: Literal["asr", "emotion"] = "asr"
    token: Annotated[str, Meta(max_length=4096)] | None = None
    """An access token, from who can set neither a cookie nor the header Authorization."""
    model: ModelName | None = None
    format: Literal["opus", "pcm", "pcm_f32"] = "opus"
    """Of a sound. ``opus``: a frame is one packet; PCM is little-endian."""
    sample_rate: Annotated[int, Meta(ge=4000, le=192_000)] = 48_000
    channels: Annotated[int, Meta(ge=1, le=8)] = 1
    language: Language = "auto"
    partials: bool = True
    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    """Of a face."""


class Stop(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", tag="stop", forbid_unknown_fields=True):
    """Nothing more comes: the rest is answered, and the socket closed."""


AnyAsked = Start | Stop


class _Said(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of what the server says."""


class Started(_Said, frozen=True, kw_only=True, tag="started"):
    """Now frames may come."""

    task_id: str
    task: str
    model: str


class HeardCaption(_Said, frozen=True, kw_only=True, tag="caption"):
    """Speech; a partial is replaced by what comes next of its phrase, a withdrawn one was no speech."""

    kind: Literal["partial", "final", "withdrawn"]
    phrase: int
    start_ms: int
    """From the first sample of the stream."""
    end_ms: int
    text: str
    language: str
    confidence: float


class SeenFaces(_Said, frozen=True, kw_only=True, tag="faces"):
    """Expressions, smoothed over time."""

    at_ms: int
    """When the picture came, from the start."""
    width: int
    height: int
    faces: tuple[NumberedFace, ...]


class NumberedFace(ExpressiveFace, frozen=True, kw_only=True):
    """A face that is followed from picture to picture."""

    id: int


class Left(_Said, frozen=True, kw_only=True, tag="shed"):
    """So much was left out since the last of these, because the machine is busy."""

    frames: int


class Trouble(_Said, frozen=True, kw_only=True, tag="error"):
    """What is wrong; the stream goes on unless the socket is closed behind it."""

    error: str
    """``machine_code`` or ``machine_code: field``."""
    message: str


class Ended(_Said, frozen=True, kw_only=True, tag="ended"):
    """Everything was answered."""

    task_id: str
    frames: int
    """That came."""
    shed: int
    """Of those left out."""
    duration_ms: int | UnsetType = UNSET
    """Of a sound."""


AnySaid = Started | HeardCaption | SeenFaces | Left | Trouble | Ended


class HeardAnswer(msgspec.Struct, frozen=True):
    """What a worker answers of a stream of sound."""

    captions: tuple[_Heard, ...]
    heard_ms: int


class _Heard(msgspec.Struct, frozen=True, kw_only=True):
    kind: Literal["partial", "final", "withdrawn"]
    phrase: int
    start_ms: int
    end_ms: int
    text: str
    language: str
    confidence: float


class SeenAnswer(msgspec.Struct, frozen=True):
    """What a worker answers of a stream of pictures."""

    width: int
    height: int
    faces: tuple[NumberedFace, ...]


class Sound:
    """Frames on their way to a worker, in their order."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self._waiting: deque[bytes] = deque()
        self._epoch: int | None = None
        self._base_ms = 0
        self._base_phrase = 0
        self._next_phrase = 0
        self.heard_ms = 0

    @property
    def waiting(self) -> int:
        """Frames."""
        return len(self._waiting)

    @property
    def is_full(self) -> bool:
        """A request's worth waits: no more is taken until it is asked."""
        return len(self._waiting) >= MAX_STEP_PACKETS or sum(map(len, self._waiting)) >= self._step_bytes

    @property
    def _step_bytes(self) -> int:
        width = _SAMPLE_BYTES.get(self.start.format)
        # Opus: at most 510 kbit/s (RFC 6716 §2.1.1).
        rate = 63_750 if width is None else width * self.start.channels * self.start.sample_rate
        return int(MAX_STEP_S * rate)

    def put(self, frame: bytes) -> None:
        """One more."""
        self._waiting.append(frame)

    def take(self) -> list[bytes]:
        """All that wait."""
        taken = list(self._waiting)
        self._waiting.clear()
        return taken

    def give_back(self, frames: list[bytes]) -> None:
        """They were not asked; they go first the next time."""
        self._waiting.extendleft(reversed(frames))

    def options(self, frames: list[bytes], session: str, *, last: bool) -> dict[str, Any]:
        """Of the request, whose payload are the frames, one behind the other."""
        start = self.start
        options: dict[str, Any] = {
            "session": session,
            "format": start.format,
            "language": start.language,
            "partials": start.partials,
            "last": last,
        }
        if start.format == "opus":
            return {**options, "packets": [len(frame) for frame in frames]}
        return {**options, "sample_rate": start.sample_rate, "channels": start.channels}

    def heard(self, answer: HeardAnswer, epoch: int) -> list[HeardCaption]:
        """Captions with the stream's own numbers and times. Another ``epoch``: the worker began anew."""
        if self._epoch is not None and epoch != self._epoch:
            self._base_ms, self._base_phrase = self.heard_ms, self._next_phrase
        self._epoch = epoch
        self.heard_ms = self._base_ms + answer.heard_ms
        captions = []
        for one in answer.captions:
            phrase = self._base_phrase + one.phrase
            self._next_phrase = max(self._next_phrase, phrase + 1)
            captions.append(
                HeardCaption(
                    kind=one.kind,
                    phrase=phrase,
                    start_ms=self._base_ms + one.start_ms,
                    end_ms=self._base_ms + one.end_ms,
                    text=one.text,
                    language=one.language,
                    confidence=one.confidence,
                )
            )
        return captions


class Pictures:
    """Pictures on their way to a worker: the newest."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self._newest: tuple[bytes, int] | None = None

    @property
    def waiting(self) -> int:
        """0 or 1."""
        return int(self._newest is not None)

    def put(self, frame: bytes, at_ms: int) -> int:
        """One more; how many are left out for it."""
        left = self.waiting
        self._newest = frame, at_ms
        return left

    def take(self) -> tuple[bytes, int] | None:
        """It, and when it came."""
        taken, self._newest = self._newest, None
        return taken
