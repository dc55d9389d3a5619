"""What the server sends over the signaling WebSocket; framing and rules are told in messages.py."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from appliance.signaling.shapes import (
    AlertKind,
    CaptionLine,
    CaptionsState,
    ChatMessage,
    Expression,
    IceServer,
    MediaNeed,
    Participant,
    RecordingState,
    Role,
    RoomState,
    SeatBinding,
    Source,
    Track,
    VideoSource,
    VisionState,
)


class ServerMessage(Struct, tag_field="type", frozen=True, kw_only=True, omit_defaults=False):
    """Base of what the server sends."""


class Joined(ServerMessage, tag="joined", frozen=True):
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
    captions: list[CaptionLine]
    """The newest finals, oldest first; at most 50, and none once captions are off."""
    vision: VisionState
    ref: str | None = None


class Resumed(ServerMessage, tag="resumed", frozen=True):
    """Answer to ``resume``; the frames after last_seq follow with their old ``seq``."""

    session_id: str
    replayed: int
    media_connected: bool
    """False: the transport was lost too; the client should restart ICE with a new offer."""
    ref: str | None = None


class UserJoined(ServerMessage, tag="user-joined", frozen=True):
    """Somebody came."""

    participant: Participant


class UserLeft(ServerMessage, tag="user-left", frozen=True):
    """Somebody went."""

    participant_id: str
    reason: Literal["left", "lost", "kicked", "ended"]


class ParticipantChanged(ServerMessage, tag="participant-changed", frozen=True):
    """Role, hand, name or reconnecting changed; the whole participant again."""

    participant: Participant


class Answer(ServerMessage, tag="answer", frozen=True):
    """SDP answer; candidates are inside, none trickle."""

    sdp: str
    negotiation: int
    ref: str | None = None


class NeedMedia(ServerMessage, tag="need_media", frozen=True):
    """More people than seats: please offer again with this many."""

    need: MediaNeed


class Seats(ServerMessage, tag="seats", frozen=True):
    """Every seat of this client's peer connection and who sits there; replaces the list before."""

    seats: list[SeatBinding]


class PublishLayer(Struct, frozen=True, kw_only=True):
    rid: str | None
    """None: the picture is sent in one layer."""
    active: bool


class PublishLayers(ServerMessage, tag="publish_layers", frozen=True):
    """Which layers of this client's own picture somebody watches; the others need not be sent."""

    source: VideoSource
    layers: list[PublishLayer]
    """All of them, lowest first."""


class Tracks(ServerMessage, tag="tracks", frozen=True):
    """The whole list of a participant's tracks."""

    participant_id: str
    tracks: list[Track]


class SpeakerLevel(Struct, frozen=True, kw_only=True):
    participant_id: str
    level: float


class ActiveSpeakers(ServerMessage, tag="active-speakers", frozen=True):
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


class Quality(ServerMessage, tag="quality", frozen=True):
    """Connection quality of everybody, every 2 s while somebody's score changed. Not replayed on resume."""

    participants: list[ParticipantQuality]


class ChatPosted(ServerMessage, tag="chat", frozen=True):
    """A chat line was stored."""

    message: ChatMessage
    ref: str | None = None


class HistoryPage(ServerMessage, tag="history", frozen=True):
    """Answer to ``history``, oldest first."""

    messages: list[ChatMessage]
    more: bool
    ref: str | None = None


class ReactionShown(ServerMessage, tag="reaction", frozen=True):
    """Somebody reacted. Not replayed on resume."""

    participant_id: str
    reaction: str


class Moderation(ServerMessage, tag="moderation", frozen=True):
    """A host did something that concerns this client."""

    action: Literal["muted", "kicked", "role_changed", "hand_lowered"]
    by_participant_id: str | None
    source: Source | None = None
    role: Role | None = None


class RoomChanged(ServerMessage, tag="room-changed", frozen=True):
    """Title or lock changed."""

    title: str
    locked: bool


class Recording(RecordingState, ServerMessage, tag="recording", frozen=True):
    """The recording began, paused, went on or ended."""


class Captions(CaptionsState, ServerMessage, tag="captions", frozen=True):
    """Captions were switched on or off, came or went, or say another language."""


class Caption(CaptionLine, ServerMessage, tag="caption", frozen=True):
    """Somebody speaks. Partials carry no ``seq``: they are not replayed, and left out for a socket that lags."""


class Vision(VisionState, ServerMessage, tag="vision", frozen=True):
    """The analysis of pictures was switched on or off, came or went, or somebody agreed to it or declined."""


class Emotion(ServerMessage, tag="emotion", frozen=True):
    """Hosts, cohosts and the person themself: what a face expresses, over some seconds; at most once a second each."""

    participant_id: str
    label: Expression | None
    """Null: no face is seen, or nobody can tell."""
    score: Annotated[float, Meta(ge=0, le=1)]
    at_ms: int


class VisionAlert(ServerMessage, tag="vision_alert", frozen=True):
    """Hosts and cohosts: what a camera shows may not be what it seems. A reason to look, no proof."""

    alert_id: str
    participant_id: str
    name: str
    kind: AlertKind
    score: Annotated[float, Meta(ge=0, le=1)]
    """How sure the model is."""
    model: str
    at_ms: int
    has_evidence: bool
    """The frame can be had over HTTP."""


class RecordingProgress(ServerMessage, tag="recording-progress", frozen=True):
    """How far the film of a recording of this meeting is; about each second. Not replayed on resume."""

    recording_id: str
    share: Annotated[float, Meta(ge=0, le=1)]
    """Of the work."""
    stage: str
    """As ``reading``, ``tracks``, ``sound``, ``video``, ``writing`` or ``storing``."""
    time_left_s: float | None


class RecordingProcessed(ServerMessage, tag="recording-processed", frozen=True):
    """The film of a recording of this meeting is ready, or there will be none for now."""

    recording_id: str
    outcome: Literal["ready", "failed", "cancelled"]


class RoomClosed(ServerMessage, tag="room-closed", frozen=True):
    """The last frame before the server closes the socket."""

    reason: Literal["ended", "kicked", "server_stopping", "replaced"]
    message: str
    reconnect_after_s: float | None
    """Set when coming back makes sense (the server restarts)."""


class Pong(ServerMessage, tag="pong", frozen=True):
    """Answer to ``ping`` with its time."""

    time_ms: int
    server_time_ms: int


class Heartbeat(ServerMessage, tag="heartbeat", frozen=True):
    """Sent when nothing else was for heartbeat_s."""

    server_time_ms: int


class Error(ServerMessage, tag="error", frozen=True):
    """Something the client sent could not be done; the connection is kept unless ``fatal``."""

    code: str
    message: str
    field: str | None = None
    """Path of the offending field, as ``publish[0].mid``."""
    ref: str | None = None
    retry_after_s: float | None = None
    fatal: bool = False


AnyServerMessage = (
    Joined
    | Resumed
    | UserJoined
    | UserLeft
    | ParticipantChanged
    | Answer
    | NeedMedia
    | Seats
    | PublishLayers
    | Tracks
    | ActiveSpeakers
    | Quality
    | ChatPosted
    | HistoryPage
    | ReactionShown
    | Moderation
    | RoomChanged
    | Recording
    | Captions
    | Caption
    | Vision
    | Emotion
    | VisionAlert
    | RecordingProgress
    | RecordingProcessed
    | RoomClosed
    | Pong
    | Heartbeat
    | Error
)
