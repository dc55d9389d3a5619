"""Into a running meeting: with a join token, or back into a session whose socket was lost.

Owns what a joiner is told and what is made for it; called by the meeting's task, which owns the room.
"""

from __future__ import annotations

from appliance.ids import new_id, new_token
from appliance.live.admission import Admission
from appliance.live.commands import ComeBack, Enter
from appliance.live.room import Room
from appliance.live.seating import pairs_to_seat
from appliance.live.session import Session
from appliance.live.turn import ice_servers
from appliance.live.wire import room_message
from appliance.meeting.participant import Participant
from appliance.settings import Settings
from appliance.signaling.connection import (
    CloseCode,
    FrameRate,
    SendLog,
    check_resume_token,
    resume_refused,
)
from appliance.signaling.frames import encode
from appliance.signaling.messages import Joined, Resumed, RoomClosed
from appliance.signaling.negotiation import SeatPlan

# Reactions of one client: a burst of claps, then as fast as one taps.
REACTIONS_PER_S = 4.0
REACTIONS_BURST = 12


def enter(room: Room, command: Enter, settings: Settings) -> Session:
    """Let somebody in; UserError of `Meeting.join`."""
    admission, claims = command.admission, command.admission.claims
    # A page that is loaded again comes with its old token: what it left behind need not be waited for.
    for left_behind in [s for s in room.audience.sessions.values() if s.token_id == claims.jti]:
        if left_behind.link is None:
            room.apply(room.meeting.leave(left_behind.participant_id, "lost"))
    participant = newcomer(room, admission)
    most = most_participants(admission, settings)
    events = room.meeting.join(participant, max_participants=most)
    session = _new_session(room, command, participant.participant_id, settings)
    room.add(session)
    session.send(_welcome(room, session, command, settings, most))
    room.apply(events)
    room.vision.entered(participant, claims.vision_consent)
    return session


def newcomer(room: Room, admission: Admission) -> Participant:
    """The participant that an admission stands for; not in the room yet."""
    claims = admission.claims
    return Participant(
        participant_id=new_id("prt"),
        subject=claims.sub,
        user_id=claims.user_id,
        name=claims.name,
        avatar_url=claims.avatar_url,
        role=admission.role,
        joined_at_ms=room.wall_ms(),
    )


def most_participants(admission: Admission, settings: Settings) -> int:
    """How many the room takes: the meeting's own bound, never above the server's."""
    return min(admission.meeting.max_participants, settings.meetings.max_participants)


def resume(room: Room, command: ComeBack) -> Session:
    """Take a session over to a new socket and repeat what it missed.

    UserError ``resume_refused``, or ``bad_seq`` and ``resume_gap`` of the replay: then the client joins anew.
    """
    wanted = command.message
    session = next((s for s in room.audience.sessions.values() if s.session_id == wanted.session_id), None)
    if session is None:
        raise resume_refused()
    check_resume_token(session.resume_token, wanted.resume_token)
    missed = session.log.replay(wanted.last_seq)
    if session.link is not None:
        closed = RoomClosed(reason="replaced", message="resumed on another socket", reconnect_after_s=None)
        # Past the log: the session goes on, and its new socket must never hear this.
        session.link.push(encode(closed))
        session.link.finish(CloseCode.REPLACED, "resumed elsewhere")
    session.link = command.link
    session.lost_at = None
    session.send(
        Resumed(
            session_id=session.session_id,
            replayed=len(missed),
            media_connected=session.media.connected,
            ref=wanted.ref,
        )
    )
    for frame in missed:
        command.link.push(frame)
    room.apply(room.meeting.resume(session.participant_id))
    return session


def _new_session(room: Room, command: Enter, participant_id: str, settings: Settings) -> Session:
    media, capabilities = settings.media, command.message.capabilities
    plan = SeatPlan(
        initial=media.initial_seats,
        most=min(media.max_seats, capabilities.max_seats),
        audio_seats=media.audio_seats,
    )
    return Session(
        session_id=new_id("ses"),
        resume_token=new_token(),
        participant_id=participant_id,
        token_id=command.admission.claims.jti,
        log=SendLog(frames=settings.signaling.replay_frames),
        media=room.media.open_session(participant_id),
        plan=plan,
        data_channel=capabilities.data_channel,
        reactions=FrameRate(per_s=REACTIONS_PER_S, burst=REACTIONS_BURST, now=room.now()),
        link=command.link,
    )


def _welcome(
    room: Room, session: Session, command: Enter, settings: Settings, max_participants: int
) -> Joined:
    session.plan.grow(pairs_to_seat(session, list(room.meeting.participants.values())))
    return Joined(
        session_id=session.session_id,
        resume_token=session.resume_token,
        resume_within_s=settings.signaling.resume_s,
        heartbeat_s=settings.signaling.heartbeat_s,
        participant_id=session.participant_id,
        room=room_message(
            room.meeting,
            max_participants=max_participants,
            recording=None if room.recording is None else room.recording.shown(),
            captions=room.captions.shown(),
        ),
        need_media=session.plan.need,
        ice_servers=ice_servers(settings.media.ice_servers, session.participant_id, room.wall_ms()),
        chat=room.newest_lines(),
        captions=room.captions.newest(),
        vision=room.vision.shown(),
        ref=command.message.ref,
    )
