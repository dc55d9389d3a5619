"""Shapes that signaling messages of both directions share, and the bounded scalar types of the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Source = Literal["microphone", "camera", "screen", "screen_audio"]
VideoSource = Literal["camera", "screen"]
Role = Literal["host", "cohost", "participant"]
Kind = Literal["audio", "video"]

ShortText = Annotated[str, Meta(min_length=1, max_length=128)]
ParticipantId = Annotated[str, Meta(min_length=1, max_length=64)]
# Python's $ also matches before a line end at the end; the look-ahead refuses it, and is ECMA 262 too.
Mid = Annotated[str, Meta(min_length=1, max_length=16, pattern=r"^[A-Za-z0-9_\-+.]+$(?!\n)")]
# 2^53 - 1: the largest integer that every JSON reader keeps exactly (RFC 8259 §6); databases hold 63 bits.
Counter = Annotated[int, Meta(ge=0, le=9_007_199_254_740_991)]
SeatNumber = Annotated[int, Meta(ge=0, le=99)]

# 256 KiB: an offer of 49 seats is about 143 kB in Chromium; the frame limit (settings) is checked before decoding.
Sdp = Annotated[str, Meta(min_length=1, max_length=262_144)]


class Track(Struct, frozen=True, kw_only=True):
    """One published track of a participant."""

    track_id: str
    source: Source
    kind: Kind
    muted: bool


class Participant(Struct, frozen=True, kw_only=True):
    """One connection in the room; two tabs of one user are two participants with one user_id."""

    participant_id: str
    user_id: str | None
    """None for a guest."""
    name: str
    avatar_url: str | None
    role: Role
    joined_at_ms: int
    hand_raised_at_ms: int | None
    reconnecting: bool
    """True while its socket is lost and may still resume."""
    tracks: list[Track]


class ChatMessage(Struct, frozen=True, kw_only=True):
    """One stored chat line."""

    chat_seq: int
    """Counted from 1 per meeting."""
    message_id: str
    participant_id: str
    user_id: str | None
    name: str
    text: str
    sent_at_ms: int


class RecordingState(Struct, frozen=True, kw_only=True):
    """How the recording of a meeting stands."""

    state: Literal["on", "paused", "off"]
    recording_id: str
    since_ms: int | None
    """When it began; a pause does not change it. Null once it is off."""
    by_name: str | None
    """Who started it; null when the meeting is recorded automatically."""
    reason: str | None
    """Why it is off, as "asked", "meeting ended" or "disk full"; null while it goes on."""
    consent_required: bool
    """True: nobody's tracks are recorded before they sent ``recording_consent``."""


class RoomState(Struct, frozen=True, kw_only=True):
    """What a joiner must know at once."""

    meeting_id: str
    code: str
    title: str
    started_at_ms: int
    locked: bool
    max_participants: int
    participants: list[Participant]
    """Everybody else and oneself, in the order of joining."""
    recording: RecordingState | None = None
    """Null: the meeting is not being recorded."""


class SeatBinding(Struct, frozen=True, kw_only=True):
    """Who sits on one receive seat; a seat is an audio and a video m-line in one MediaStream."""

    seat: int
    participant_id: str | None
    """None: the seat is empty."""
    source: VideoSource
    """Which pair sits here: camera with microphone, or screen with screen_audio."""
    audio: bool
    """False: nothing is bound to the audio line."""
    video: bool


class IceServer(Struct, frozen=True, kw_only=True):
    """RTCIceServer for the browser."""

    urls: list[str]
    username: str | None = None
    credential: str | None = None


class MediaNeed(Struct, frozen=True, kw_only=True):
    """How many receive seats the client's next offer should hold; never fewer than before."""

    seats: int
    """Seats with an audio and a video line."""
    audio_seats: int
    """Further seats with an audio line only, for speakers who have no tile."""
