"""Every event: its topic, its name and its fields.

Owns the shapes; refuses to know who is told. Times are milliseconds since the Unix epoch, UTC (``…_ms``). Ids are those
of the database. An event of a meeting has ``meeting_id``: such events reach each subscriber in their order.
"""

from __future__ import annotations

from typing import ClassVar, Literal, get_args

import msgspec

Topic = Literal["meeting_events", "user_events", "media_events", "ai_events", "signaling_events", "audit_events"]
TOPICS: tuple[Topic, ...] = (
    "meeting_events", "user_events", "media_events", "ai_events", "signaling_events", "audit_events",
)  # fmt: skip


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """Base of all events."""

    topic: ClassVar[Topic]

    @property
    def event_type(self) -> str:
        """As ``meeting.started``."""
        tag = self.__struct_config__.tag
        assert isinstance(tag, str)  # every event below has one, checked by a test
        return tag

    @property
    def order(self) -> str:
        """Events with the same one are told in their order: the meeting's or the account's id."""
        names = ("meeting_id", "user_id", "audit_id")
        return next((found for name in names if (found := getattr(self, name, None))), "")


# --- meetings ------------------------------------------------------------------------------------------------------


class MeetingEvent(Event, frozen=True):
    """Base: something about a meeting."""

    topic: ClassVar[Topic] = "meeting_events"
    meeting_id: str


class MeetingCreated(MeetingEvent, frozen=True, tag="meeting.created"):
    """A meeting was planned, or made to start at once (no times)."""

    title: str
    creator_id: str
    start_at_ms: int | None = None
    end_at_ms: int | None = None


class MeetingUpdated(MeetingEvent, frozen=True, tag="meeting.updated"):
    """A host changed a meeting; ``changed`` names the fields."""

    title: str
    changed: tuple[str, ...]
    start_at_ms: int | None = None
    end_at_ms: int | None = None


class MeetingCancelled(MeetingEvent, frozen=True, tag="meeting.cancelled"):
    """A planned meeting will not take place."""

    title: str


class MeetingInvited(MeetingEvent, frozen=True, tag="meeting.invited"):
    """Somebody was invited: an account, or an address without one."""

    invitation_id: str
    by_user_id: str
    user_id: str | None = None
    email: str | None = None


class MeetingStarted(MeetingEvent, frozen=True, tag="meeting.started"):
    """The first person came; a meeting that was empty for a while starts anew."""

    title: str
    creator_id: str | None = None


class MeetingEnded(MeetingEvent, frozen=True, tag="meeting.ended"):
    """A host ended it for everybody (``reason`` "ended"), or everybody has left it ("empty"; it may start again)."""

    title: str
    reason: Literal["ended", "empty"]
    creator_id: str | None = None
    started_at_ms: int | None = None


class MeetingUserJoined(MeetingEvent, frozen=True, tag="meeting.user_joined"):
    """A connection came into the room."""

    participant_id: str
    name: str
    user_id: str | None = None
    """None for a guest."""


class MeetingUserLeft(MeetingEvent, frozen=True, tag="meeting.user_left"):
    """A connection left the room; ``reason`` as "left", "lost", "kicked", "ended"."""

    participant_id: str
    name: str
    reason: str
    user_id: str | None = None


# --- accounts ------------------------------------------------------------------------------------------------------


class UserEvent(Event, frozen=True):
    """Base: something about an account."""

    topic: ClassVar[Topic] = "user_events"
    user_id: str


class UserRegistered(UserEvent, frozen=True, tag="user.registered"):
    """An account was made: by its owner, or an administrator."""

    username: str


class UserLoggedIn(UserEvent, frozen=True, tag="user.logged_in"):
    """Somebody signed in with a password."""

    session_id: str
    address: str
    user_agent: str
    new_address: bool = False
    """No sign-in of this account that is remembered came from this network."""


class UserStatusChanged(UserEvent, frozen=True, tag="user.status_changed"):
    """An account was banned, unbanned or deleted, or its role changed."""

    status: Literal["active", "banned", "deleted"]
    role: Literal["user", "admin"]
    by_user_id: str | None = None


# --- recordings and media files --------------------------------------------------------------------------------------


class MediaEvent(Event, frozen=True):
    """Base: something about a recording."""

    topic: ClassVar[Topic] = "media_events"
    meeting_id: str
    recording_id: str


class RecordingStarted(MediaEvent, frozen=True, tag="recording.started"):
    """Frames are being written."""

    by_user_id: str | None = None


class RecordingStopped(MediaEvent, frozen=True, tag="recording.stopped"):
    """No more frames come; ``reason`` as "asked", "meeting ended", "disk full"."""

    reason: str


class RecordingProcessed(MediaEvent, frozen=True, tag="recording.processed"):
    """The files that people play are there."""

    duration_ms: int
    bytes: int


class RecordingFailed(MediaEvent, frozen=True, tag="recording.failed"):
    """No files could be made of it; ``reason`` is for people. What was recorded is kept, and may be tried again."""

    reason: str


# --- AI --------------------------------------------------------------------------------------------------------------


class AiEvent(Event, frozen=True):
    """Base: a result of inference about a meeting; the result itself is in the database."""

    topic: ClassVar[Topic] = "ai_events"
    meeting_id: str
    result_id: str
    model: str


class SpeechRecognitionCompleted(AiEvent, frozen=True, tag="speech_recognition.completed"):
    """A speaker's words are final."""

    participant_id: str
    language: str
    text: str
    start_ms: int
    end_ms: int


class EmotionDetectionCompleted(AiEvent, frozen=True, tag="emotion_detection.completed"):
    """A face was judged; ``score`` from 0 to 1."""

    participant_id: str
    emotion: str
    score: float


class DeepfakeDetectionCompleted(AiEvent, frozen=True, tag="deepfake_detection.completed"):
    """A picture or a voice was judged; ``score`` from 0 (genuine) to 1 (synthetic)."""

    participant_id: str
    kind: Literal["face", "voice"]
    score: float
    alert: bool
    """Above the threshold that alerts the hosts."""


# --- connections -----------------------------------------------------------------------------------------------------


class SignalingEvent(Event, frozen=True):
    """Base: something about a media connection."""

    topic: ClassVar[Topic] = "signaling_events"
    meeting_id: str
    participant_id: str


class WebrtcConnectionEstablished(SignalingEvent, frozen=True, tag="webrtc.connection_established"):
    """Media can flow."""


class WebrtcConnectionClosed(SignalingEvent, frozen=True, tag="webrtc.connection_closed"):
    """Media flow no more; ``reason`` is for people."""

    reason: str


# --- audit -----------------------------------------------------------------------------------------------------------


class AuditRecorded(Event, frozen=True, tag="audit.recorded"):
    """A row was added to the audit log: a sign-in, or what an administrator or a host did."""

    topic: ClassVar[Topic] = "audit_events"
    audit_id: str
    action: str
    outcome: str
    actor_name: str
    """Empty where nobody was signed in: what was typed as a name may be a password."""
    user_id: str | None = None
    """The actor's account."""
    target: str | None = None


AnyEvent = (
    MeetingCreated
    | MeetingUpdated
    | MeetingCancelled
    | MeetingInvited
    | MeetingStarted
    | MeetingEnded
    | MeetingUserJoined
    | MeetingUserLeft
    | UserRegistered
    | UserLoggedIn
    | UserStatusChanged
    | RecordingStarted
    | RecordingStopped
    | RecordingProcessed
    | RecordingFailed
    | SpeechRecognitionCompleted
    | EmotionDetectionCompleted
    | DeepfakeDetectionCompleted
    | WebrtcConnectionEstablished
    | WebrtcConnectionClosed
    | AuditRecorded
)

TYPES: dict[str, Topic] = {str(event.__struct_config__.tag): event.topic for event in get_args(AnyEvent)}
"""Every event's type, and its topic."""
