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

from typing import Any

import msgspec

from appliance.signaling.client_messages import (
    ALIASES,
    AnyClientMessage,
    Candidate,
    Capabilities,
    Chat,
    ClientMessage,
    EndMeeting,
    History,
    Join,
    Kick,
    Leave,
    LockMeeting,
    LowerHand,
    Mute,
    MuteParticipant,
    Offer,
    Ping,
    PublishLine,
    RaiseHand,
    Reaction,
    ReceiveLine,
    RecordingConsent,
    Resume,
    SetCaptions,
    SetRole,
    Subscribe,
    WantedVideo,
)
from appliance.signaling.server_messages import (
    ActiveSpeakers,
    Answer,
    AnyServerMessage,
    Caption,
    Captions,
    ChatPosted,
    Error,
    Heartbeat,
    HistoryPage,
    Joined,
    Moderation,
    NeedMedia,
    ParticipantChanged,
    ParticipantQuality,
    Pong,
    PublishLayer,
    PublishLayers,
    Quality,
    ReactionShown,
    Recording,
    Resumed,
    RoomChanged,
    RoomClosed,
    Seats,
    ServerMessage,
    SpeakerLevel,
    Tracks,
    UserJoined,
    UserLeft,
)
from appliance.signaling.shapes import (
    CaptionLine,
    CaptionsState,
    CaptionsTrouble,
    ChatMessage,
    IceServer,
    Kind,
    Language,
    MediaNeed,
    Mid,
    Participant,
    ParticipantId,
    RecordingState,
    Role,
    RoomState,
    Sdp,
    SeatBinding,
    SeatNumber,
    ShortText,
    Source,
    Track,
    VideoSource,
)

__all__ = [
    "ALIASES",
    "ActiveSpeakers",
    "Answer",
    "AnyClientMessage",
    "AnyServerMessage",
    "Candidate",
    "Capabilities",
    "Caption",
    "CaptionLine",
    "Captions",
    "CaptionsState",
    "CaptionsTrouble",
    "Chat",
    "ChatMessage",
    "ChatPosted",
    "ClientMessage",
    "EndMeeting",
    "Error",
    "Heartbeat",
    "History",
    "HistoryPage",
    "IceServer",
    "Join",
    "Joined",
    "Kick",
    "Kind",
    "Language",
    "Leave",
    "LockMeeting",
    "LowerHand",
    "MediaNeed",
    "Mid",
    "Moderation",
    "Mute",
    "MuteParticipant",
    "NeedMedia",
    "Offer",
    "Participant",
    "ParticipantChanged",
    "ParticipantId",
    "ParticipantQuality",
    "Ping",
    "Pong",
    "PublishLayer",
    "PublishLayers",
    "PublishLine",
    "Quality",
    "RaiseHand",
    "Reaction",
    "ReactionShown",
    "ReceiveLine",
    "Recording",
    "RecordingConsent",
    "RecordingState",
    "Resume",
    "Resumed",
    "Role",
    "RoomChanged",
    "RoomClosed",
    "RoomState",
    "Sdp",
    "SeatBinding",
    "SeatNumber",
    "Seats",
    "ServerMessage",
    "SetCaptions",
    "SetRole",
    "ShortText",
    "Source",
    "SpeakerLevel",
    "Subscribe",
    "Track",
    "Tracks",
    "UserJoined",
    "UserLeft",
    "VideoSource",
    "WantedVideo",
    "client_schema",
    "server_schema",
]


def client_schema() -> dict[str, Any]:
    """JSON Schema of the client's messages."""
    return msgspec.json.schema(AnyClientMessage)


def server_schema() -> dict[str, Any]:
    """JSON Schema of the server's messages."""
    return msgspec.json.schema(AnyServerMessage)
