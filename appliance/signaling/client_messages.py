"""What a client may send over the signaling WebSocket; framing and rules are told in messages.py."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from appliance.signaling.shapes import (
    Counter,
    Language,
    Mid,
    ParticipantId,
    Role,
    Sdp,
    SeatNumber,
    ShortText,
    Source,
    VideoSource,
)


class ClientMessage(Struct, tag_field="type", forbid_unknown_fields=True, frozen=True, kw_only=True):
    """Base of what a client sends."""

    ref: Annotated[str, Meta(max_length=64)] | None = None


class Capabilities(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """What the client's WebRTC stack can do."""

    max_seats: Annotated[int, Meta(ge=0, le=49)] = 49
    """No more receive seats than this will be asked for."""
    data_channel: bool = True


class Join(ClientMessage, tag="join", frozen=True):
    """First message of a new session; ``token`` is the join token of POST /meetings/{id}/join."""

    room: ShortText
    """Meeting id or code."""
    token: Annotated[str, Meta(min_length=1, max_length=4096)]
    capabilities: Capabilities = Capabilities()


class Resume(ClientMessage, tag="resume", frozen=True):
    """First message on a new socket of a session whose socket was lost."""

    session_id: ShortText
    resume_token: ShortText
    last_seq: Counter


class Leave(ClientMessage, tag="leave", frozen=True):
    """Goodbye: the participant leaves at once and cannot resume."""


class PublishLine(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """An m-line of the offer on which the client sends."""

    mid: Mid
    source: Source


class ReceiveLine(Struct, forbid_unknown_fields=True, frozen=True, kw_only=True):
    """The m-lines of one receive seat; no video_mid makes it an audio-only seat. Pages always have an audio line."""

    seat: SeatNumber
    audio_mid: Mid | None
    """None: a picture without sound, which viewers over WHEP may want."""
    video_mid: Mid | None = None


class Offer(ClientMessage, tag="offer", frozen=True):
    """SDP offer of the one peer connection. The client always offers; ``negotiation`` counts up from 1."""

    sdp: Sdp
    negotiation: Annotated[int, Meta(ge=1, le=9_007_199_254_740_991)]
    publish: Annotated[list[PublishLine], Meta(max_length=8)] = []
    receive: Annotated[list[ReceiveLine], Meta(max_length=100)] = []


class Candidate(ClientMessage, tag="candidate", frozen=True):
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


class Subscribe(ClientMessage, tag="subscribe", frozen=True):
    """The whole list of what the client shows; replaces the list before. Until the first one the server chooses."""

    videos: Annotated[list[WantedVideo], Meta(max_length=100)]


class Mute(ClientMessage, tag="mute", frozen=True):
    """Mute or unmute one's own track; the server stops forwarding it too."""

    source: Source
    muted: bool


class Chat(ClientMessage, tag="chat", frozen=True):
    """A chat line to everybody; stored."""

    text: Annotated[str, Meta(min_length=1, max_length=4000)]


class History(ClientMessage, tag="history", frozen=True):
    """Ask for stored chat lines with chat_seq > after_seq."""

    after_seq: Counter
    limit: Annotated[int, Meta(ge=1, le=200)] = 100


class Reaction(ClientMessage, tag="reaction", frozen=True):
    """A fleeting reaction; the data channel ``reactions`` carries the same with less delay."""

    reaction: Literal["thumbs_up", "clap", "heart", "laugh", "surprise", "celebrate"]


class RaiseHand(ClientMessage, tag="raise_hand", frozen=True):
    """Raise or lower one's own hand."""

    raised: bool


class MuteParticipant(ClientMessage, tag="mute_participant", frozen=True):
    """Host or cohost: mute somebody's track (they may unmute themselves)."""

    participant_id: ParticipantId
    source: Source


class Kick(ClientMessage, tag="kick", frozen=True):
    """Host or cohost: remove somebody; their join token is void and the same user or guest may not come back."""

    participant_id: ParticipantId


class SetRole(ClientMessage, tag="set_role", frozen=True):
    """Host: change somebody's role in this meeting."""

    participant_id: ParticipantId
    role: Role


class LowerHand(ClientMessage, tag="lower_hand", frozen=True):
    """Host or cohost: lower somebody's hand."""

    participant_id: ParticipantId


class LockMeeting(ClientMessage, tag="lock_meeting", frozen=True):
    """Host or cohost: nobody new may join while locked."""

    locked: bool


class RecordingConsent(ClientMessage, tag="recording_consent", frozen=True):
    """Agree to be recorded, or take that back; where the meeting asks for it, only who agreed is recorded."""

    accepted: bool


class SetCaptions(ClientMessage, tag="set_captions", frozen=True):
    """Host or cohost: live captions for everybody, on or off."""

    on: bool
    language: Language | None = None
    """One of ``captions.languages``; null: as it is."""


class SetVision(ClientMessage, tag="vision", frozen=True):
    """Host or cohost: the analysis of pictures, on or off."""

    emotion: bool | None = None
    """What faces express; null: as it is."""
    deepfake: bool | None = None
    """Manipulated pictures; null: as it is."""


class VisionConsent(ClientMessage, tag="vision_consent", frozen=True):
    """Agree to have one's camera looked at, or take that back; only who agreed is analysed."""

    accepted: bool


class ShareMicrophone(ClientMessage, tag="share_microphone", frozen=True):
    """Several people speak into the sender's microphone, or no longer: captions tell their voices apart."""

    shared: bool


class RecordingStart(ClientMessage, tag="recording_start", frozen=True):
    """Host or cohost: record the meeting from now on; everybody is told by ``recording``."""

    layout: Literal["speaker", "grid", "screen"] | None = None
    """None: as the server is set."""


class RecordingPause(ClientMessage, tag="recording_pause", frozen=True):
    """Host or cohost: record nothing for a while, or go on."""

    paused: bool


class RecordingStop(ClientMessage, tag="recording_stop", frozen=True):
    """Host or cohost: end the recording; a film is made of it then."""


class EndMeeting(ClientMessage, tag="end_meeting", frozen=True):
    """Host: end the meeting for everybody."""


class Ping(ClientMessage, tag="ping", frozen=True):
    """Heart-beat; answered by ``pong``. A socket that says nothing for settings.signaling.silence_s is closed."""

    time_ms: Counter = 0


AnyClientMessage = (
    Join
    | Resume
    | Leave
    | Offer
    | Candidate
    | Subscribe
    | Mute
    | Chat
    | History
    | Reaction
    | RaiseHand
    | MuteParticipant
    | Kick
    | SetRole
    | LowerHand
    | LockMeeting
    | RecordingConsent
    | SetCaptions
    | ShareMicrophone
    | SetVision
    | VisionConsent
    | RecordingStart
    | RecordingPause
    | RecordingStop
    | EndMeeting
    | Ping
)

# Names of SPEC.md that are routed to a canonical type.
ALIASES: dict[str, str] = {"ice_candidate": "candidate"}
