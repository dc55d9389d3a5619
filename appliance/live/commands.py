"""What is put into a meeting's channel, from sockets, the HTTP API, media and the rows' writer.

Owns the shapes and the `Reply` that a caller waits for. Each command is handled whole before the next one.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import trio

from appliance.errors import UserError
from appliance.live.admission import Admission
from appliance.live.session import FrameSink, Session
from appliance.live.stream import ChangedStream, OpenedStream, Precondition, StreamKey, StreamRequest
from appliance.meeting.participant import Role, Source
from appliance.signaling.messages import (
    AnyClientMessage,
    AnyServerMessage,
    Join,
    RecordingProcessed,
    RecordingProgress,
    Resume,
    VisionAlert,
)
from appliance.store.messages import StoredMessage

if TYPE_CHECKING:
    from appliance.live.camera import Camera, Felt, Suspected
    from appliance.live.recording import RoomRecording
    from appliance.live.voice import Line, Voice
    from appliance.sfu.events import RoomEvent

T = TypeVar("T")


class Reply(Generic[T]):
    """An answer that comes later: a value, or the UserError that is raised where it is awaited."""

    def __init__(self) -> None:
        self._done = trio.Event()
        self._value: T | None = None
        self._error: UserError | None = None

    def give(self, value: T) -> None:
        """Answer."""
        self._value = value
        self._done.set()

    def refuse(self, error: UserError) -> None:
        """Answer with an error; the first answer counts."""
        if not self._done.is_set():
            self._error = error
            self._done.set()

    async def wait(self) -> T:
        """The value; raises the UserError."""
        await self._done.wait()
        if self._error is not None:
            raise self._error
        return self._value  # type: ignore[return-value]  # given: T may be None itself


class Entry(Protocol[T]):
    """What lets somebody in, and answers with what became of it."""

    @property
    def link(self) -> FrameSink: ...

    @property
    def reply(self) -> Reply[T]: ...


@dataclass(frozen=True, slots=True)
class Enter:
    """A socket brought a join token that was found good."""

    message: Join
    admission: Admission
    link: FrameSink
    reply: Reply[Session] = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class ComeBack:
    """A socket wants to resume a session."""

    message: Resume
    link: FrameSink
    reply: Reply[Session] = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class Said:
    """A client sent a message over ``link``."""

    session: Session
    link: FrameSink
    message: AnyClientMessage


@dataclass(frozen=True, slots=True)
class SocketGone:
    """A socket that may have joined ended."""

    link: FrameSink


@dataclass(frozen=True, slots=True)
class Deliver:
    """Something that was fetched beside the task is ready for a client."""

    session: Session
    message: AnyServerMessage


@dataclass(frozen=True, slots=True)
class MediaHappened:
    """The SFU tells."""

    event: RoomEvent


@dataclass(frozen=True, slots=True)
class Broadcast:
    """A chat line was stored and may be seen; ``ref`` is its author's."""

    author: Session
    line: StoredMessage
    ref: str | None


@dataclass(frozen=True, slots=True)
class End:
    """End for everybody. ``stored``: the row says so already."""

    by_user_id: str | None
    stored: bool
    reply: Reply[int] = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class Remove:
    """End the connections of a participant, user or guest id: kicked (and kept out), left, or revoked."""

    uid: str
    how: str
    """``kicked``, ``left`` or ``revoked``."""
    by_user_id: str | None = None
    reply: Reply[int] = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class MuteFromOutside:
    """Mute one source of a participant, user or guest id, or all of them."""

    uid: str
    source: Source | None
    by_user_id: str
    reply: Reply[int] = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class GiveRole:
    """Change the role of a participant, user or guest id."""

    uid: str
    role: Role
    by_user_id: str
    reply: Reply[int] = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class Changed:
    """Title or lock were stored."""

    title: str
    locked: bool


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A WHIP publisher or WHEP viewer whose join token was found good."""

    request: StreamRequest
    admission: Admission
    link: FrameSink
    reply: Reply[OpenedStream] = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class ChangeStream:
    """A fragment of SDP for a stream: candidates, or an ICE restart; answered with our fragment where it is one."""

    key: StreamKey
    precondition: Precondition
    fragment: str
    reply: Reply[ChangedStream | None] = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class CloseStream:
    """A stream's client says goodbye."""

    key: StreamKey
    reply: Reply[int] = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class BeginRecording:
    """Tap the room's tracks for this recording from now on."""

    recording: RoomRecording
    by_uid: str | None
    """Participant or account that starts it."""


@dataclass(frozen=True, slots=True)
class PauseRecording:
    """Pause or go on; answered by whether that changed anything."""

    recording_id: str
    paused: bool
    reply: Reply[bool] = field(default_factory=Reply)


@dataclass(frozen=True, slots=True)
class EndRecording:
    """End the taps of a recording and tell everybody why."""

    recording_id: str
    reason: str
    reply: Reply[int] = field(default_factory=Reply)


class CaptionsCommand:
    """Base of what comes from the tasks of captions."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class SayCaption(CaptionsCommand):
    """A partial or final of what somebody says."""

    voice: Voice
    line: Line


@dataclass(frozen=True, slots=True)
class LookAtCaptions(CaptionsCommand):
    """What captions can do has changed: tell everybody."""


class VisionCommand:
    """Base of what comes from the tasks of cameras."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class TellSeen(VisionCommand):
    """A look at a camera has found something."""

    camera: Camera
    found: Felt | Suspected


@dataclass(frozen=True, slots=True)
class TellAlert(VisionCommand):
    """An alert is stored: its evidence can be had."""

    alert: VisionAlert


@dataclass(frozen=True, slots=True)
class LookAtVision(VisionCommand):
    """What the analysis of pictures can do has changed: tell everybody."""


@dataclass(frozen=True, slots=True)
class TellProcessing:
    """How far the film of a recording of this meeting is."""

    message: RecordingProgress | RecordingProcessed


@dataclass(frozen=True, slots=True)
class Stop:
    """The server stops."""

    reconnect_after_s: float


Command = (
    Enter
    | ComeBack
    | Said
    | SocketGone
    | Deliver
    | MediaHappened
    | Broadcast
    | End
    | Remove
    | MuteFromOutside
    | GiveRole
    | Changed
    | OpenStream
    | ChangeStream
    | CloseStream
    | BeginRecording
    | PauseRecording
    | EndRecording
    | CaptionsCommand
    | VisionCommand
    | TellProcessing
    | Stop
)
