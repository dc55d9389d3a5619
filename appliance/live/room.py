"""A running meeting's whole state, and what follows from each event: frames, media, rows, closed sockets.

Owned by one `meeting_task`, which alone calls this. Owns no channel and no clock: both come from the task.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Literal

import msgspec
import structlog

from appliance.events.catalogue import AnyEvent, MeetingEnded, MeetingUserJoined, MeetingUserLeft
from appliance.events.envelope import envelop
from appliance.ids import new_id
from appliance.live.audience import Audience
from appliance.live.captions import RoomCaptions, Transcribing
from appliance.live.commands import Command
from appliance.live.media import MediaRoom
from appliance.live.quality import QualityBoard
from appliance.live.recording import MeetingRecorder, RoomRecording
from appliance.live.records import Records, Statement
from appliance.live.seating import settle
from appliance.live.session import FrameSink, Session
from appliance.live.speakers import Speakers
from appliance.live.viewing import show
from appliance.live.vision import RoomVision, Watching
from appliance.live.wire import chat_message
from appliance.meeting.events import (
    MeetingEvent,
    ParticipantJoined,
    ParticipantLeft,
    RoleChanged,
    SubjectBanned,
    TrackMuted,
    TracksChanged,
    TrackUnmuted,
)
from appliance.meeting.meeting import Meeting
from appliance.meeting.participant import LeaveReason, Participant
from appliance.meeting.subscriptions import pairs_of
from appliance.signaling.connection import CloseCode
from appliance.signaling.messages import ChatMessage, ChatPosted, Error, RoomClosed
from appliance.store import meetings, outbox, participants, recordings
from appliance.store.database import Conn, Database
from appliance.store.messages import StoredMessage
from appliance.store.participants import ParticipantRecord

_log = structlog.get_logger(__name__)

CHAT_SHOWN = 100
"""Newest lines that a joiner gets with ``joined``: three screens; ``history`` gives the rest."""


class Room:
    """State and consequences of one running meeting."""

    def __init__(
        self,
        *,
        meeting: Meeting,
        creator_id: str | None,
        database: Database,
        records: Records,
        media: MediaRoom,
        now: Callable[[], float],
        wall_ms: Callable[[], int],
        put: Callable[[Command], Awaitable[None]],
        start: Callable[..., None],
        index: dict[str, object],
        node: str,
        recorder: MeetingRecorder | None = None,
        transcribing: Transcribing | None = None,
        watching: Watching | None = None,
    ) -> None:
        """``now``: seconds, never going back; ``put``: into the task's channel; ``start``: a task beside it;
        ``index``: the directory's table of session ids, of which this room keeps its own entries."""
        self.node = node
        self.meeting = meeting
        self.creator_id = creator_id
        self.meeting_id = meeting.meeting_id
        self.database = database
        self.records = records
        self.media = media
        self.now = now
        self.wall_ms = wall_ms
        self.put = put
        self.start = start
        self.audience = Audience()
        self.speakers = Speakers()
        self.quality = QualityBoard()
        self.index = index
        self.index_value: object = None
        self.reactions_refused = 0
        self.chat_lines = 0
        self._chat: deque[StoredMessage] = deque(maxlen=CHAT_SHOWN)
        self._unsettled: set[Session] = set()
        self.recorder = recorder
        self.recording: RoomRecording | None = None
        self.captions = RoomCaptions(self, transcribing)
        self.vision = RoomVision(self, watching)

    # --- coming ------------------------------------------------------------------------------------------------

    def add(self, session: Session) -> None:
        """A session of a participant who has just joined."""
        self.audience.sessions[session.participant_id] = session
        self.index[session.session_id] = self.index_value

    def lose_socket(self, link: FrameSink) -> None:
        """A socket is gone; the session that it carried, if it still does, may be resumed for a while."""
        for session in self.audience.sessions.values():
            if session.link is link:
                session.link = None
                session.lost_at = self.now()
                self.apply(self.meeting.disconnect(session.participant_id))
                return

    # --- events ------------------------------------------------------------------------------------------------

    def apply(self, events: Iterable[MeetingEvent]) -> None:
        """Tell everybody and carry out what follows."""
        events = list(events)
        self.audience.announce(events)
        for event in events:
            self._follow(event)
        if self.recording is not None:
            self.recording.follow(events)
        self.tap()

    def tap(self) -> None:
        """Record what is published now, if the room is recorded, caption what is said, look at who agreed."""
        if self.recording is not None:
            self.recording.tap(self.meeting.participants.values(), self.audience.sessions)
        self.captions.tap()
        self.vision.tap()

    def _follow(self, event: MeetingEvent) -> None:
        match event:
            case ParticipantJoined(participant=p):
                _log.info("participant_joined", meeting=self.meeting_id, participant=p.participant_id, role=p.role)
                joined = MeetingUserJoined(
                    meeting_id=self.meeting_id, participant_id=p.participant_id, name=p.name, user_id=p.user_id
                )
                store = partial(participants.insert, record=_record(self, p))
                self.records.add("join", self.telling(store, joined))
                newcomer = self.audience.sessions.get(p.participant_id)
                if newcomer is not None:  # the others have nobody more to seat until there are tracks
                    self.unsettle(newcomer)
            case ParticipantLeft(participant=p, reason=reason):
                _log.info("participant_left", meeting=self.meeting_id, participant=p.participant_id, reason=reason)
                self._store_left(p, reason)
                self._forget(p, reason)
                self.vision.left(p.participant_id)
            case TracksChanged(participant=p):
                self._enforce_mutes(p)
                self.unsettle_all()
            case TrackMuted(participant=p) | TrackUnmuted(participant=p):
                self._enforce_mutes(p)
                self.unsettle_all()
            case RoleChanged(participant=p):
                self.vision.inform(p)
                self.records.add(
                    "role", partial(participants.set_role, participant_id=p.participant_id, role=p.role)
                )
                self.records.add(
                    "member",
                    partial(
                        participants.set_member_role, meeting_id=self.meeting_id, subject=p.subject, role=p.role
                    ),
                )
            case SubjectBanned(subject=subject):
                kicked = partial(participants.set_kicked, meeting_id=self.meeting_id, subject=subject)
                self.records.add("kick", partial(kicked, now_ms=self.wall_ms()))
            case _:
                pass

    def _store_left(self, participant: Participant, reason: LeaveReason | str) -> None:
        left = MeetingUserLeft(
            meeting_id=self.meeting_id,
            participant_id=participant.participant_id,
            name=participant.name,
            reason=reason,
            user_id=participant.user_id,
        )
        now_ms = self.wall_ms()
        store = partial(participants.set_left, participant_id=participant.participant_id, reason=reason, now_ms=now_ms)
        self.records.add("leave", self.telling(store, left))

    def store_end(self, reason: Literal["ended", "empty"]) -> None:
        """The meeting's row says that it ended, or waits to be started again."""
        self._stop_recording("meeting ended" if reason == "ended" else "everybody left")
        ended = MeetingEnded(
            meeting_id=self.meeting_id,
            title=self.meeting.title,
            reason=reason,
            creator_id=self.creator_id,
            started_at_ms=self.meeting.started_at_ms,
        )
        store = meetings.end if reason == "ended" else partial(meetings.pause, node=self.node)
        statement = partial(store, meeting_id=self.meeting_id, now_ms=self.wall_ms())
        self.records.add("end", self.telling(statement, ended))

    async def hold(self, conn: Conn) -> bool:
        """Repository function: whether the meeting is active; it is here from now on."""
        return await meetings.hold(conn, self.meeting_id, self.node)

    def tell(self, event: AnyEvent) -> None:
        """An event that changes no row."""
        self.records.add("event", self.telling(_nothing, event))

    def telling(self, statement: Statement, event: AnyEvent) -> Statement:
        """The statement, and the event in the same transaction; none where the statement says that it changed
        nothing."""
        envelope = envelop(event, event_id=new_id("evt"), at_ms=self.wall_ms())

        async def both(conn: Conn) -> Any:
            done = await statement(conn)
            if done is not False:
                await outbox.add(conn, envelope)
            return done

        return both

    def _enforce_mutes(self, participant: Participant) -> None:
        session = self.audience.sessions.get(participant.participant_id)
        if session is not None:
            for track in participant.tracks:
                session.media.mute(track.source, track.muted)

    # --- going -------------------------------------------------------------------------------------------------

    def dismiss(self, participant_id: str, *, revoked: bool) -> None:
        """End one participant's session at the wish of its own user, or because the account may do nothing more."""
        session = self.audience.sessions.get(participant_id)
        if session is not None:
            if revoked:
                session.send(Error(code="revoked", message="you were signed out", fatal=True))
                _close_link(session, CloseCode.REVOKED, "revoked")
            else:
                shown = RoomClosed(reason="replaced", message="you left elsewhere", reconnect_after_s=None)
                session.send(shown)
                _close_link(session, CloseCode.LEFT, "left elsewhere")
        self.apply(self.meeting.leave(participant_id, "left"))

    def stop(self, reconnect_after_s: float) -> None:
        """The server stops: everybody is told when to come back, and nobody has left for good."""
        self._stop_recording(recordings.SERVER_STOPPING)
        closed = RoomClosed(
            reason="server_stopping", message="the server is restarting", reconnect_after_s=reconnect_after_s
        )
        self.audience.tell_all(closed)
        for session in list(self.audience.sessions.values()):
            _close_link(session, CloseCode.GOING_AWAY, "server stopping")
            self.index.pop(session.session_id, None)
            participant = self.meeting.participants.get(session.participant_id)
            if participant is not None:
                self._store_left(participant, "server_stopping")
        self.audience.sessions.clear()

    def abandon(self) -> None:
        """The task is over: sockets that are still there are told to come in anew. Nobody is, after a regular end."""
        self._stop_recording("meeting ended")
        if self.recording is not None:
            self.recording.let_go()
        self.captions.close()
        self.vision.close()
        for session in self.audience.sessions.values():
            _close_link(session, CloseCode.SERVER_ERROR, "the meeting's task ended")
            self.index.pop(session.session_id, None)
        self.audience.sessions.clear()

    def _stop_recording(self, reason: str) -> None:
        if self.recording is not None:
            self.recording.ask_stop(reason)  # the first reason counts

    def _forget(self, participant: Participant, reason: LeaveReason) -> None:
        participant_id = participant.participant_id
        session = self.audience.sessions.pop(participant_id, None)
        if session is None:
            return
        self.index.pop(session.session_id, None)
        self._unsettled.discard(session)
        self.speakers.forget(participant_id)
        if reason == "kicked":
            closed = RoomClosed(reason="kicked", message="you were removed", reconnect_after_s=None)
            session.send(closed)
            _close_link(session, CloseCode.KICKED, "kicked")
        elif reason == "ended":
            closed = RoomClosed(reason="ended", message="the meeting was ended", reconnect_after_s=None)
            session.send(closed)
            _close_link(session, CloseCode.ENDED, "ended")
        else:
            _close_link(session, CloseCode.NORMAL, reason)
        session.link = None
        self.start(session.media.close)
        if participant.tracks:
            self.unsettle_all()

    # --- chat --------------------------------------------------------------------------------------------------

    def post(self, author: Session, line: StoredMessage, ref: str | None) -> None:
        """Show a stored line to everybody; its author gets the ``ref`` back."""
        self.remember_line(line)
        shape = chat_message(line)
        self.audience.tell_all(ChatPosted(message=shape), but=author.participant_id)
        author.send(ChatPosted(message=shape, ref=ref))

    def remember_line(self, line: StoredMessage) -> None:
        """Keep a line for those who join later."""
        self.chat_lines += 1
        self._chat.append(line)

    def newest_lines(self) -> list[ChatMessage]:
        """What a joiner is shown, oldest first."""
        return [chat_message(line) for line in self._chat]

    # --- seats -------------------------------------------------------------------------------------------------

    def unsettle(self, session: Session) -> None:
        """The session's seats may need another binding."""
        self._unsettled.add(session)

    def unsettle_all(self) -> None:
        """Everybody's may."""
        self._unsettled.update(self.audience.sessions.values())

    def settle(self) -> None:
        """Bind what needs it, once for all that happened since."""
        if not self._unsettled:
            return
        present = list(self.meeting.participants.values())
        published = pairs_of(present)
        sessions = self.audience.sessions
        # In the order of joining: a set's order would make frames differ from run to run.
        for session in [s for s in sessions.values() if s in self._unsettled]:
            if session.stream is None:
                settle(session, published, self.speakers, sessions)
            elif session.stream.watch is not None:
                show(session, session.stream.watch, present, self.speakers.recent, sessions)
        self._unsettled.clear()

    def hear(self, levels: Iterable[tuple[str, float]], dominant: str | None) -> None:
        """New speaker levels."""
        known = self.meeting.participants
        self.speakers.heard(
            [(p, level) for p, level in levels if p in known], dominant if dominant in known else None
        )
        self.audience.tell_all(self.speakers.message())
        if self.recording is not None:
            self.recording.heard(self.speakers.dominant)
        self.captions.heard()
        self._unsettled.update(s for s in self.audience.sessions.values() if s.crowded)

    def statistics(self) -> dict[str, Any]:
        """Numbers of this room."""
        sessions = self.audience.sessions.values()
        return {
            "participants": len(sessions),
            "reconnecting": sum(s.link is None for s in sessions),
            "media_connected": sum(s.media.connected for s in sessions),
            "chat_lines": self.chat_lines,
            "captions": self.captions.statistics(),
            "vision": self.vision.statistics(),
            "rows_written": self.records.written,
            "rows_refused": self.records.refused,
            "reactions_refused": self.reactions_refused,
            "connections": {s.participant_id: msgspec.structs.asdict(s.media.quality()) for s in sessions},
        }


def _close_link(session: Session, code: CloseCode, reason: str) -> None:
    if session.link is not None:
        session.link.finish(code, reason)


def _record(room: Room, participant: Participant) -> ParticipantRecord:
    return ParticipantRecord(
        id=participant.participant_id,
        meeting_id=room.meeting_id,
        user_id=participant.user_id,
        guest_id=participant.subject if participant.user_id is None else None,
        name=participant.name,
        role=participant.role,
        joined_at_ms=participant.joined_at_ms,
        left_at_ms=None,
        leave_reason=None,
        node=room.node,
    )


async def _nothing(conn: Conn) -> None:
    """No statement of its own."""
