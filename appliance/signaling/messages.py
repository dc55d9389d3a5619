"""Every message of the signaling WebSocket, both ways, as tagged msgspec structs.

Owns the wire shapes and their bounds; refuses to know sockets, rooms or permissions. PROTOCOL.md beside this file
is the reference for people and is checked against this module by a test.

Framing: one JSON object per WebSocket text frame, told apart by ``type``. A client message may carry ``ref``, an
opaque string that the server repeats in the ``error`` or the answer that the message caused. Every server frame
that changes what a client knows carries ``seq``, counted from 1 per session and put in front of the encoded struct
by ``signaling.connection``: a broadcast is encoded once. A resuming client names the last ``seq`` it handled.

Times are milliseconds since the Unix epoch, UTC (``…_ms``). Levels are 0 (silent) to 1.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

Source = Literal["microphone", "camera", "screen", "screen_audio"]
VideoSource = Literal["camera", "screen"]
Role = Literal["host", "cohost", "participant"]
Kind = Literal["audio", "video"]

ShortText = Annotated[str, Meta(min_length=1, max_length=128)]
ParticipantId = Annotated[str, Meta(min_length=1, max_length=64)]
Mid = Annotated[str, Meta(min_length=1, max_length=16, pattern=r"^[A-Za-z0-9_\-+.]+$")]
SeatNumber = Annotated[int, Meta(ge=0, le=99)]

# 256 KiB: an offer of 49 seats is about 120 kB in Chromium; the frame limit (settings) is checked before decoding.
Sdp = Annotated[str, Meta(min_length=1, max_length=262_144)]


class ClientMessage(Struct, tag_field="type", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base of what a client sends."""

    ref: Annotated[str, Meta(max_length=64)] | None = None


class ServerMessage(Struct, tag_field="type", frozen=True, kw_only=True, omit_defaults=False):
    """Base of what the server sends."""


# --- shared shapes ---------------------------------------------------------------------------------------------


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


# --- client → server -------------------------------------------------------------------------------------------


class Capabilities(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What the client's WebRTC stack can do."""

    max_seats: Annotated[int, Meta(ge=0, le=49)] = 49
    """No more receive seats than this will be asked for."""
    data_channel: bool = True


class Join(ClientMessage, tag="join"):
    """First message of a new session; ``token`` is the join token of POST /meetings/{id}/join."""

    room: ShortText
    """Meeting id or code."""
    token: Annotated[str, Meta(min_length=1, max_length=4096)]
    capabilities: Capabilities = Capabilities()


class Resume(ClientMessage, tag="resume"):
    """First message on a new socket of a session whose socket was lost."""

    session_id: ShortText
    resume_token: ShortText
    last_seq: Annotated[int, Meta(ge=0)]


class Leave(ClientMessage, tag="leave"):
    """Goodbye: the participant leaves at once and cannot resume."""


class PublishLine(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """An m-line of the offer on which the client sends."""

    mid: Mid
    source: Source


class ReceiveLine(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The m-lines of one receive seat; no video_mid makes it an audio-only seat."""

    seat: SeatNumber
    audio_mid: Mid
    video_mid: Mid | None = None


class Offer(ClientMessage, tag="offer"):
    """SDP offer of the one peer connection. The client always offers; ``negotiation`` counts up from 1."""

    sdp: Sdp
    negotiation: Annotated[int, Meta(ge=1)]
    publish: Annotated[list[PublishLine], Meta(max_length=8)] = []
    receive: Annotated[list[ReceiveLine], Meta(max_length=100)] = []


class Candidate(ClientMessage, tag="candidate"):
    """A trickled ICE candidate. The server is ICE-lite and learns addresses from checks: accepted, not needed."""

    candidate: Annotated[str, Meta(max_length=1024)]
    mid: Mid | None = None


class WantedVideo(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """One picture that the client shows."""

    participant_id: ParticipantId
    source: VideoSource = "camera"
    width: Annotated[int, Meta(ge=0, le=8192)] = 0
    """CSS pixels times device pixel ratio; 0 with height 0: no picture wanted, sound only."""
    height: Annotated[int, Meta(ge=0, le=8192)] = 0
    max_fps: Annotated[int, Meta(ge=1, le=120)] = 30
    priority: Annotated[int, Meta(ge=0, le=255)] = 1
    """Higher wins a seat and bandwidth first."""
    pinned: bool = False


class Subscribe(ClientMessage, tag="subscribe"):
    """The whole list of what the client shows; replaces the list before. Until the first one the server chooses."""

    videos: Annotated[list[WantedVideo], Meta(max_length=100)]


class Mute(ClientMessage, tag="mute"):
    """Mute or unmute one's own track; the server stops forwarding it too."""

    source: Source
    muted: bool


class Chat(ClientMessage, tag="chat"):
    """A chat line to everybody; stored."""

    text: Annotated[str, Meta(min_length=1, max_length=4000)]


class History(ClientMessage, tag="history"):
    """Ask for stored chat lines with chat_seq > after_seq."""

    after_seq: Annotated[int, Meta(ge=0)]
    limit: Annotated[int, Meta(ge=1, le=200)] = 100


class Reaction(ClientMessage, tag="reaction"):
    """A fleeting reaction; the data channel ``reactions`` carries the same with less delay."""

    reaction: Literal["thumbs_up", "clap", "heart", "laugh", "surprise", "celebrate"]


class RaiseHand(ClientMessage, tag="raise_hand"):
    """Raise or lower one's own hand."""

    raised: bool


class MuteParticipant(ClientMessage, tag="mute_participant"):
    """Host or cohost: mute somebody's track (they may unmute themselves)."""

    participant_id: ParticipantId
    source: Source


class Kick(ClientMessage, tag="kick"):
    """Host or cohost: remove somebody; their join token is void and the same user or guest may not come back."""

    participant_id: ParticipantId


class SetRole(ClientMessage, tag="set_role"):
    """Host: change somebody's role in this meeting."""

    participant_id: ParticipantId
    role: Role


class LowerHand(ClientMessage, tag="lower_hand"):
    """Host or cohost: lower somebody's hand."""

    participant_id: ParticipantId


class LockMeeting(ClientMessage, tag="lock_meeting"):
    """Host or cohost: nobody new may join while locked."""

    locked: bool


class EndMeeting(ClientMessage, tag="end_meeting"):
    """Host: end the meeting for everybody."""


class Ping(ClientMessage, tag="ping"):
    """Heart-beat; answered by ``pong``. A socket that says nothing for settings.signaling.silence_s is closed."""

    time_ms: int = 0


AnyClientMessage = (
    Join | Resume | Leave | Offer | Candidate | Subscribe | Mute | Chat | History | Reaction | RaiseHand
    | MuteParticipant | Kick | SetRole | LowerHand | LockMeeting | EndMeeting | Ping
)

# Names of SPEC.md that are routed to a canonical type.
ALIASES: dict[str, str] = {"ice_candidate": "candidate"}


# --- server → client -------------------------------------------------------------------------------------------


class Joined(ServerMessage, tag="joined"):
    """Answer to ``join``."""

    session_id: str
    resume_token: str
    resume_within_s: float
    heartbeat_s: float
    """The server sends at least one frame in this time."""
    participant_id: str
    room: RoomState
    need_media: MediaNeed
    ice_servers: list[IceServer]
    chat: list[ChatMessage]
    """The newest stored lines, oldest first."""
    ref: str | None = None


class Resumed(ServerMessage, tag="resumed"):
    """Answer to ``resume``; the frames after last_seq follow with their old ``seq``."""

    session_id: str
    replayed: int
    media_connected: bool
    """False: the transport was lost too; the client should restart ICE with a new offer."""
    ref: str | None = None


class UserJoined(ServerMessage, tag="user-joined"):
    """Somebody came."""

    participant: Participant


class UserLeft(ServerMessage, tag="user-left"):
    """Somebody went."""

    participant_id: str
    reason: Literal["left", "lost", "kicked", "ended"]


class ParticipantChanged(ServerMessage, tag="participant-changed"):
    """Role, hand, name or reconnecting changed; the whole participant again."""

    participant: Participant


class Answer(ServerMessage, tag="answer"):
    """SDP answer; candidates are inside, none trickle."""

    sdp: str
    negotiation: int
    ref: str | None = None


class NeedMedia(ServerMessage, tag="need_media"):
    """More people than seats: please offer again with this many."""

    need: MediaNeed


class Seats(ServerMessage, tag="seats"):
    """Every seat of this client's peer connection and who sits there; replaces the list before."""

    seats: list[SeatBinding]


class Tracks(ServerMessage, tag="tracks"):
    """The whole list of a participant's tracks."""

    participant_id: str
    tracks: list[Track]


class SpeakerLevel(Struct, frozen=True, kw_only=True):
    participant_id: str
    level: float


class ActiveSpeakers(ServerMessage, tag="active-speakers"):
    """Who speaks now, loudest first; at most one each 200 ms, and only on change. Not replayed on resume."""

    speakers: list[SpeakerLevel]
    dominant: str | None
    """Changes at most once a second; stays when everybody is silent."""


class ParticipantQuality(Struct, frozen=True, kw_only=True):
    participant_id: str
    score: Annotated[int, Meta(ge=0, le=4)]
    """4 good, 3 fair, 2 poor, 1 bad, 0 no media connection."""
    uplink_loss: float
    """Share of this participant's packets that did not reach the server in the last period, 0 to 1."""
    downlink_loss: float
    rtt_ms: int | None


class Quality(ServerMessage, tag="quality"):
    """Connection quality of everybody, every 2 s while somebody's score changed. Not replayed on resume."""

    participants: list[ParticipantQuality]


class ChatPosted(ServerMessage, tag="chat"):
    """A chat line was stored."""

    message: ChatMessage
    ref: str | None = None


class HistoryPage(ServerMessage, tag="history"):
    """Answer to ``history``, oldest first."""

    messages: list[ChatMessage]
    more: bool
    ref: str | None = None


class ReactionShown(ServerMessage, tag="reaction"):
    """Somebody reacted. Not replayed on resume."""

    participant_id: str
    reaction: str


class Moderation(ServerMessage, tag="moderation"):
    """A host did something that concerns this client."""

    action: Literal["muted", "kicked", "role_changed", "hand_lowered"]
    by_participant_id: str | None
    source: Source | None = None
    role: Role | None = None


class RoomChanged(ServerMessage, tag="room-changed"):
    """Title or lock changed."""

    title: str
    locked: bool


class RoomClosed(ServerMessage, tag="room-closed"):
    """The last frame before the server closes the socket."""

    reason: Literal["ended", "kicked", "server_stopping", "replaced"]
    message: str
    reconnect_after_s: float | None
    """Set when coming back makes sense (the server restarts)."""


class Pong(ServerMessage, tag="pong"):
    """Answer to ``ping`` with its time."""

    time_ms: int
    server_time_ms: int


class Heartbeat(ServerMessage, tag="heartbeat"):
    """Sent when nothing else was for heartbeat_s."""

    server_time_ms: int


class Error(ServerMessage, tag="error"):
    """Something the client sent could not be done; the connection is kept unless ``fatal``."""

    code: str
    message: str
    field: str | None = None
    """Path of the offending field, as ``publish[0].mid``."""
    ref: str | None = None
    retry_after_s: float | None = None
    fatal: bool = False


AnyServerMessage = (
    Joined | Resumed | UserJoined | UserLeft | ParticipantChanged | Answer | NeedMedia | Seats | Tracks
    | ActiveSpeakers | Quality | ChatPosted | HistoryPage | ReactionShown | Moderation | RoomChanged | RoomClosed
    | Pong | Heartbeat | Error
)


def client_schema() -> dict[str, Any]:
    """JSON Schema of the client's messages."""
    return msgspec.json.schema(AnyClientMessage)


def server_schema() -> dict[str, Any]:
    """JSON Schema of the server's messages."""
    return msgspec.json.schema(AnyServerMessage)
