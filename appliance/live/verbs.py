"""What a joined client says, done to the meeting.

Owns the way from each message to a transition and its side effects on media and rows; refuses to know sockets and
channels. Every verb is authorised by `meeting.permissions`, most of them inside the transition.
"""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from appliance.errors import UserError
from appliance.ids import new_id
from appliance.live import recording
from appliance.live.commands import Broadcast, Deliver
from appliance.live.sockets import error_message, rate_limited
from appliance.live.wire import history_message
from appliance.meeting import permissions
from appliance.meeting.participant import Track
from appliance.meeting.subscriptions import Wanted
from appliance.signaling.messages import (
    Answer,
    AnyClientMessage,
    Candidate,
    Chat,
    EndMeeting,
    History,
    Join,
    Kick,
    LockMeeting,
    LowerHand,
    Mute,
    MuteParticipant,
    Offer,
    RaiseHand,
    Reaction,
    RecordingConsent,
    RecordingPause,
    RecordingStart,
    RecordingStop,
    Resume,
    SetCaptions,
    SetRole,
    SetVision,
    ShareMicrophone,
    Subscribe,
    VisionConsent,
)
from appliance.store import meetings, messages
from appliance.store.database import DatabaseError

if TYPE_CHECKING:
    from appliance.live.room import Room
    from appliance.live.session import Session

_log = structlog.get_logger(__name__)

# Control characters have no place in a chat line, but for the tab and the ends of lines; PostgreSQL refuses U+0000.
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")

_reaction_decoder = msgspec.json.Decoder(Reaction)


async def obey(room: Room, session: Session, message: AnyClientMessage) -> None:
    """Carry out one message of a participant; UserError is answered with an ``error`` frame by the caller."""
    me = session.participant_id
    meeting = room.meeting
    match message:
        case Offer():
            await _negotiate(room, session, message)
        case Candidate():
            permissions.check(meeting.get(me).role, "publish")  # ICE-lite learns addresses from checks
        case Subscribe(videos=videos):
            permissions.check(meeting.get(me).role, "subscribe")
            session.wanted = tuple(
                Wanted(
                    participant_id=v.participant_id,
                    source=v.source,
                    width=v.width,
                    height=v.height,
                    max_fps=v.max_fps,
                    priority=v.priority,
                    pinned=v.pinned,
                )
                for v in videos
            )
            room.unsettle(session)
        case Mute(source=source, muted=muted):
            room.apply(meeting.mute(me, source, muted))
        case Chat():
            _chat(room, session, message)
        case History():
            permissions.check(meeting.get(me).role, "history")
            room.start(_read_history, room, session, message)
        case Reaction(reaction=reaction):
            react(room, session, reaction)
        case RaiseHand(raised=raised):
            room.apply(meeting.raise_hand(me, raised, now_ms=room.wall_ms()))
        case MuteParticipant(participant_id=target, source=source):
            room.apply(meeting.mute_participant(meeting.actor(me), target, source))
        case Kick(participant_id=target):
            room.apply(meeting.kick(meeting.actor(me), target))
        case SetRole(participant_id=target, role=role):
            room.apply(meeting.set_role(meeting.actor(me), target, role))
        case LowerHand(participant_id=target):
            room.apply(meeting.lower_hand(meeting.actor(me), target))
        case LockMeeting(locked=locked):
            room.apply(meeting.lock(meeting.actor(me), locked))
            room.records.add(
                "lock",
                partial(meetings.set_locked, meeting_id=room.meeting_id, locked=locked, now_ms=room.wall_ms()),
            )
        case RecordingConsent(accepted=accepted):
            if room.recording is not None:
                room.recording.agree(me, accepted)
                room.tap()
        case SetCaptions(on=on, language=language):
            permissions.check(meeting.get(me).role, "caption")
            room.captions.switch(on, language, by_name=meeting.get(me).name)
        case ShareMicrophone(shared=shared):
            room.captions.share(me, shared)
        case SetVision(emotion=emotion, deepfake=deepfake):
            permissions.check(meeting.get(me).role, "watch")
            room.vision.switch({"emotion": emotion, "deepfake": deepfake}, by_name=meeting.get(me).name)
        case VisionConsent(accepted=accepted):
            room.vision.answer(me, accepted)
        case RecordingStart() | RecordingPause() | RecordingStop():
            recording.ask(room, session, message)
        case EndMeeting():
            room.apply(meeting.end(meeting.actor(me)))
            room.store_end("ended")
        case Join() | Resume():
            raise UserError(409, "already_joined", "this socket has a session already", field="type")
        case _:  # leave is the task's; ping is the socket's
            raise UserError(400, "unknown_type", "not expected here", field="type")


def react_untrusted(room: Room, session: Session, data: str | bytes) -> None:
    """A frame of the data channel ``reactions``: JSON {"reaction": …}. UserError is counted by the caller."""
    try:
        raw = msgspec.json.decode(data)
        message = msgspec.convert({"type": "reaction", **raw}, Reaction)
    except (msgspec.DecodeError, TypeError, RecursionError) as error:
        raise UserError(400, "invalid_field", "not a reaction", field="reaction") from error
    react(room, session, message.reaction)


def react(room: Room, session: Session, reaction: str) -> None:
    """Show a reaction to everybody else."""
    permissions.check(room.meeting.get(session.participant_id).role, "react")
    wait_s = session.reactions.take(room.now())
    if wait_s > 0:
        raise rate_limited(wait_s)
    room.audience.show_reaction(session.participant_id, reaction)


async def _negotiate(room: Room, session: Session, offer: Offer) -> None:
    me = session.participant_id
    permissions.check(room.meeting.get(me).role, "publish")
    sdp = await session.media.negotiate(offer)
    session.send(Answer(sdp=sdp, negotiation=offer.negotiation, ref=offer.ref))
    room.apply(room.meeting.publish(me, [Track(t.track_id, t.source) for t in session.media.tracks.values()]))
    room.unsettle(session)


def _chat(room: Room, session: Session, message: Chat) -> None:
    author = room.meeting.get(session.participant_id)
    permissions.check(author.role, "chat")
    if not message.text.strip():
        raise UserError(400, "invalid_field", "text: nothing but white space", field="text")
    found = _CONTROL.search(message.text)
    if found:
        shown = f"text: holds the control character U+{ord(found[0]):04X}"
        raise UserError(400, "invalid_field", shown, field="text")

    async def stored(line: messages.StoredMessage) -> None:
        await room.put(Broadcast(session, line, message.ref))

    async def failed(error: UserError) -> None:
        await room.put(Deliver(session, error_message(error, message.ref)))

    room.records.add_line(
        partial(
            messages.append,
            message_id=new_id("msg"),
            meeting_id=room.meeting_id,
            participant_id=author.participant_id,
            user_id=author.user_id,
            name=author.name,
            text=message.text,
            now_ms=room.wall_ms(),
        ),
        stored,
        failed,
    )


async def _read_history(room: Room, session: Session, message: History) -> None:
    answer: Any
    try:
        # One line more than asked for tells whether there are more.
        lines = await room.database.read(messages.after, room.meeting_id, message.after_seq, message.limit + 1)
        answer = history_message(lines, limit=message.limit, ref=message.ref)
    except DatabaseError as error:
        _log.warning("history_unreadable", meeting=room.meeting_id, error=str(error))
        refusal = UserError(503, "unavailable", "the database is away", retry_after_s=1.0)
        answer = error_message(refusal, message.ref)
    await room.put(Deliver(session, answer))
