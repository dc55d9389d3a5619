"""Shapes that signaling messages of both directions share, and the bounded scalar types of the wire."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

Source = Literal["microphone", "camera", "screen", "screen_audio"]
VideoSource = Literal["camera", "screen"]
Role = Literal["host", "cohost", "participant"]
Kind = Literal["audio", "video"]
CaptionsTrouble = Literal["ai_disabled", "model_not_installed", "worker_down", "overloaded"]
VisionTrouble = Literal["ai_disabled", "model_not_installed", "worker_down", "overloaded"]
Expression = Literal["angry", "disgust", "fear", "happy", "sad", "surprise", "neutral"]
AlertKind = Literal["face_spoof", "generated_picture", "synthetic_voice"]

ShortText = Annotated[str, Meta(min_length=1, max_length=128)]
ParticipantId = Annotated[str, Meta(min_length=1, max_length=64)]
# Python's $ also matches before a line end at the end; the look-ahead refuses it, and is ECMA 262 too.
Mid = Annotated[str, Meta(min_length=1, max_length=16, pattern=r"^[A-Za-z0-9_\-+.]+$(?!\n)")]
# 2^53 - 1: the largest integer that every JSON reader keeps exactly (RFC 8259 §6); databases hold 63 bits.
Counter = Annotated[int, Meta(ge=0, le=9_007_199_254_740_991)]
# BCP 47 (RFC 5646 §2.1), of which the models tell languages and no more; "auto": recognised by the model.
Language = Annotated[str, Meta(min_length=2, max_length=16, pattern=r"^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$(?!\n)")]
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


class CaptionsState(Struct, frozen=True, kw_only=True):
    """How the live captions of a meeting stand."""

    on: bool
    """Switched on by a host: who speaks into an open microphone is transcribed."""
    available: bool
    """Captions can be made now. False while on: they stand still for ``reason`` and go on by themselves."""
    reason: CaptionsTrouble | None
    """Why they are not available, or ``overloaded``: available, and some speech is left out. Null: all is well."""
    language: str
    """What is spoken: "auto" or one of ``languages``."""
    languages: list[str]
    """What can be chosen, "auto" among them where a model recognises languages; empty where no model is installed."""
    transcript: bool
    """The finals are kept after the meeting, for those who may see its recordings."""
    report_at: str | None
    """Host of the language model that is sent the transcript after the meeting, to write the report; null: none."""
    voices: bool
    """Several people at one microphone can be told apart (`share_microphone`)."""
    since_ms: int | None
    """When they were switched on; null while off."""
    by_name: str | None
    """Who switched them on; null while off."""


class CaptionLine(Struct, frozen=True, kw_only=True):
    """What one person said without a pause, as far as it is known."""

    caption_id: str
    """The same from the first partial to the final: what comes later replaces what came before."""
    participant_id: str
    name: str
    """Of the speaker, when it was said; with the voice's number behind it where there is one, as "Room 4 (2)"."""
    text: str
    """Of a partial: all of the phrase so far. Of a final it may be empty: what the partials showed was no speech."""
    final: bool
    start_ms: int
    """When the speech began."""
    end_ms: int
    """When it ended; of a partial, as far as it is transcribed."""
    language: str
    """Of the text, as "en"."""
    voice: int | None = None
    """Of a final: which of the people at a shared microphone, from 1 on; null: not shared, or too short to tell."""


class VisionSwitch(Struct, frozen=True, kw_only=True):
    """One analysis of pictures: whether it is on, and whether it works."""

    on: bool
    """Switched on by a host or by the meeting's settings: cameras of those who agreed are looked at."""
    available: bool
    """It can be done now. False while on: it stands still for ``reason`` and goes on by itself."""
    reason: VisionTrouble | None
    """Why it is not available, or ``overloaded``: available, and some pictures are left out. Null: all is well."""
    since_ms: int | None
    """When it was switched on; null while off."""
    by_name: str | None
    """Who switched it on; null while off, and where the meeting's settings did."""


class VisionState(Struct, frozen=True, kw_only=True):
    """How the analysis of pictures stands in a meeting. Nobody is looked at who is not among ``consented``."""

    emotion: VisionSwitch
    """What faces express."""
    deepfake: VisionSwitch
    """Whether a face may be a picture of one, or the picture generated."""
    consented: list[str]
    """Participant ids of those who agreed."""
    declined: list[str]
    """Of those who said no; who is in neither list has not answered."""


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
    captions: CaptionsState


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
