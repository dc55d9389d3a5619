"""One trio task for each running meeting: a bounded channel of commands, timers, and all of the meeting's state.

Owns when things happen: a command is handled whole, then seats are settled once for all that came together;
`entrance`, `verbs`, `moderation` and `streams` do them. Waits for nothing but its channel, the nearest
timer and one client's negotiation; rows are written by `records` beside it.

Ends when the meeting is ended, when nobody has been in it for meetings.empty_grace_s, or when the server stops. An
empty meeting's row goes back to ``scheduled``: it may run again. After the end the channel is closed and whoever had
put something into it is answered ``try_again``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import structlog
import trio

from appliance.errors import UserError
from appliance.events.catalogue import MeetingStarted, WebrtcConnectionClosed, WebrtcConnectionEstablished
from appliance.live import captions, entrance, moderation, recording, streams, verbs, vision
from appliance.live.audience import REACTIONS
from appliance.live.commands import (
    BeginRecording,
    Broadcast,
    CaptionsCommand,
    Changed,
    ChangeStream,
    CloseStream,
    ComeBack,
    Command,
    Deliver,
    End,
    EndRecording,
    Enter,
    GiveRole,
    MediaHappened,
    MuteFromOutside,
    OpenStream,
    PauseRecording,
    Remove,
    Said,
    SocketGone,
    Stop,
    TellProcessing,
    VisionCommand,
)
from appliance.live.media import MediaPlane, MediaRoom
from appliance.live.recording import MeetingRecorder
from appliance.live.records import Records, Statement
from appliance.live.room import CHAT_SHOWN, Room
from appliance.live.session import Session
from appliance.live.sockets import error_message
from appliance.meeting.meeting import Meeting
from appliance.settings import Settings
from appliance.signaling.messages import Leave, PublishLayer, PublishLayers, Quality
from appliance.store import meetings, messages
from appliance.store.database import Conn, Database

_log = structlog.get_logger(__name__)

# Commands that wait for the task. Each socket's reader puts one at a time, so a full channel is 256 busy clients;
# they wait, which is the back-pressure that is wanted.
_MAX_COMMANDS = 256
# Commands handled before seats are settled: a hundred who join at once cost a few bindings each, not a hundred.
_MAX_TOGETHER = 64
QUALITY_EACH_S = 2.0
# Rows of the end (everybody left, the meeting ended) must reach the disk; beyond this the next start repairs them.
_FLUSH_WITHIN_S = 5.0


def try_again() -> UserError:
    """The meeting's task has just ended; the next join starts it anew."""
    return UserError(503, "try_again", "the meeting is just closing", retry_after_s=1.0)


class MeetingTask:
    """One running meeting; made by the directory, which runs `run` in its nursery."""

    def __init__(
        self,
        *,
        settings: Settings,
        database: Database,
        media: MediaPlane,
        row: meetings.Meeting,
        wall_ms: Callable[[], int],
        index: dict[str, Any],
        node: str,
        recorder: MeetingRecorder | None = None,
        transcribing: captions.Transcribing | None = None,
        watching: vision.Watching | None = None,
    ) -> None:
        self.meeting_id = row.id
        self.ended = trio.Event()
        """Set once the room is gone and its rows are written."""
        self.closing = False
        self._settings, self._database, self._plane, self._row = settings, database, media, row
        self._wall_ms, self._index, self._node, self._recorder = wall_ms, index, node, recorder
        self._transcribing, self._watching = transcribing, watching
        self._commands, self._inbox = trio.open_memory_channel[Command](_MAX_COMMANDS)
        self.room: Room | None = None
        self._empty_since: float | None = None
        self._quality_at, self._done = math.inf, False

    async def put(self, command: Command) -> None:
        """Queue a command; UserError ``try_again`` when the task has ended."""
        try:
            await self._commands.send(command)
        except trio.BrokenResourceError:
            raise try_again() from None

    # --- the task ----------------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Serve the meeting until it is over; then free everything."""
        records = Records(self._database)
        media = self._plane.open_room(self.meeting_id)
        room = None
        try:
            async with trio.open_nursery() as beside:
                room = self.room = self._open(records, media, beside)
                await self._load(room)
                beside.start_soon(self._pump, media)
                beside.start_soon(records.serve)
                await self._serve(room)
                beside.cancel_scope.cancel()
        finally:
            self._close(room)
            with trio.move_on_after(_FLUSH_WITHIN_S, shield=True) as scope:
                records.close()
                await records.serve()
            if scope.cancelled_caught:
                _log.error("rows_not_written", meeting=self.meeting_id)
            with trio.CancelScope(shield=True):  # bounded by the deadlines of the sessions
                await media.close()
            self.ended.set()

    def _open(self, records: Records, media: MediaRoom, beside: trio.Nursery) -> Room:
        row = self._row
        meeting = Meeting(
            meeting_id=row.id,
            code=row.code,
            title=row.title,
            locked=row.locked,
            started_at_ms=row.started_at_ms or self._wall_ms(),
        )
        room = Room(
            meeting=meeting,
            creator_id=row.creator_id,
            database=self._database,
            records=records,
            media=media,
            now=trio.current_time,
            wall_ms=self._wall_ms,
            put=self._put_quietly,
            start=beside.start_soon,
            index=self._index,
            node=self._node,
            transcribing=self._transcribing,
            watching=self._watching,
            recorder=self._recorder,
        )
        room.index_value = self
        room.vision.begin(emotion=row.emotion_detection, deepfake=row.deepfake_detection)
        self._empty_since = trio.current_time()
        return room

    async def _load(self, room: Room) -> None:
        for line in await self._database.read(messages.newest, self.meeting_id, CHAT_SHOWN):
            room.remember_line(line)
        room.chat_lines = 0
        started = MeetingStarted(meeting_id=self.meeting_id, title=room.meeting.title, creator_id=room.creator_id)
        activate = partial(meetings.activate, meeting_id=self.meeting_id, now_ms=self._wall_ms())
        room.records.add("start", partial(_start, room, room.telling(activate, started)), self._started)

    async def _started(self, runs: bool) -> None:
        if not runs:  # ended or deleted between the join and now
            await self._put_quietly(End(None, stored=True))
        elif self._recorder is not None and self.room is not None:
            self.room.start(self._recorder.meeting_started, self._row)

    async def _serve(self, room: Room) -> None:
        _log.info("meeting_opened", meeting=self.meeting_id)
        while not self._done:
            command = None
            with trio.move_on_at(self._next_timer(room)):
                command = await self._inbox.receive()
            for _ in range(_MAX_TOGETHER):
                if command is None:
                    break
                await self._handle(room, command)
                if self._done:
                    break
                try:
                    command = self._inbox.receive_nowait()
                except trio.WouldBlock:
                    command = None
            if command is not None and not self._done:
                await self._handle(room, command)
            room.settle()
            self._tick(room)
        _log.info("meeting_closed", meeting=self.meeting_id, ended=room.meeting.ended)

    async def _pump(self, media: MediaRoom) -> None:
        async for event in media.events:
            await self._put_quietly(MediaHappened(event))

    async def _put_quietly(self, command: Command) -> None:
        """For those beside the task, who may outlive its last command."""
        with suppress(UserError):
            await self.put(command)

    def _close(self, room: Room | None) -> None:
        """Nobody is served from here on: answer those who wait, close the sockets that are left."""
        self.closing = True
        if room is not None:
            room.abandon()
        while True:
            try:
                command = self._inbox.receive_nowait()
            except (trio.WouldBlock, trio.EndOfChannel):
                break
            if isinstance(command, BeginRecording):
                command.recording.ask_stop("meeting ended")
            reply = getattr(command, "reply", None)
            if reply is not None:
                reply.refuse(try_again())
        self._inbox.close()

    # --- commands ----------------------------------------------------------------------------------------------

    async def _handle(self, room: Room, command: Command) -> None:
        match command:
            case Said():
                await self._said(room, command)
            case Enter() | ComeBack():
                try:
                    command.reply.give(self._let_in(room, command))
                except UserError as error:
                    command.reply.refuse(error)
            case OpenStream() | ChangeStream() | CloseStream():
                await self._stream(room, command)
            case SocketGone(link=link):
                room.lose_socket(link)
            case Deliver(session=session, message=message):
                if session.participant_id in room.audience.sessions:
                    session.send(message)
            case Broadcast(author=author, line=line, ref=ref):
                room.post(author, line, ref)
            case MediaHappened(event=event):
                self._media(room, event)
            case End() | Remove() | MuteFromOutside() | GiveRole():
                self._moderate(room, command)
            case Changed():
                moderation.change(room, command)
            case BeginRecording() | PauseRecording() | EndRecording():
                self._record(room, command)
            case CaptionsCommand():
                captions.obey(room, command)
            case VisionCommand():
                vision.obey(room, command)
            case TellProcessing(message=told):
                room.audience.tell_all(told)
            case Stop(reconnect_after_s=delay):
                room.stop(delay)
                self._done = True
        if room.meeting.ended:
            self._done = True

    def _let_in(self, room: Room, command: Enter | ComeBack) -> Session:
        if isinstance(command, ComeBack):
            return entrance.resume(room, command)
        session = entrance.enter(room, command, self._settings)
        self._note_entry(room)
        return session

    def _note_entry(self, room: Room) -> None:
        self._empty_since = None
        self._quality_at = min(self._quality_at, room.now() + QUALITY_EACH_S)

    async def _stream(self, room: Room, command: OpenStream | ChangeStream | CloseStream) -> None:
        try:
            match command:
                case OpenStream(reply=opened):
                    opened.give(await streams.open_stream(room, command, self._settings))
                    self._note_entry(room)
                case ChangeStream(reply=changed):
                    changed.give(await streams.change_stream(room, command))
                case CloseStream(reply=closed):
                    closed.give(streams.close_stream(room, command))
        except UserError as error:
            command.reply.refuse(error)

    def _moderate(self, room: Room, command: End | Remove | MuteFromOutside | GiveRole) -> None:
        try:
            match command:
                case End():
                    count = moderation.end(room, command)
                case Remove():
                    count = moderation.remove(room, command)
                case MuteFromOutside():
                    count = moderation.mute(room, command)
                case GiveRole():
                    count = moderation.give_role(room, command)
        except UserError as error:
            command.reply.refuse(error)
        else:
            command.reply.give(count)

    def _record(self, room: Room, command: BeginRecording | PauseRecording | EndRecording) -> None:
        try:
            recording.obey(room, command)
        except UserError as error:
            if not isinstance(command, BeginRecording):
                command.reply.refuse(error)

    async def _said(self, room: Room, said: Said) -> None:
        session = said.session
        if session.link is not said.link or session.participant_id not in room.audience.sessions:
            return  # spoken before it was kicked, or by a socket that was replaced
        if isinstance(said.message, Leave):
            room.apply(room.meeting.leave(session.participant_id, "left"))
            return
        try:
            await verbs.obey(room, session, said.message)
        except UserError as error:
            session.send(error_message(error, said.message.ref))

    # --- media and time ----------------------------------------------------------------------------------------

    def _media(self, room: Room, event: Any) -> None:
        from appliance.sfu.events import DataMessage, LayersWanted, Speakers

        if isinstance(event, Speakers):
            room.hear(event.levels, event.dominant)
        elif isinstance(event, LayersWanted):
            if event.source in ("camera", "screen"):
                layers = [PublishLayer(rid=rid, active=active) for rid, active in event.layers]
                room.audience.tell(event.participant_id, PublishLayers(source=event.source, layers=layers))
        elif isinstance(event, DataMessage) and event.label == REACTIONS:
            session = room.audience.sessions.get(event.participant_id)
            if session is not None:
                try:
                    verbs.react_untrusted(room, session, event.data)
                except UserError:
                    room.reactions_refused += 1
        else:
            self._tell_connection(room, event)
            streams.follow_media(room, event)
            _log.debug("media_event", meeting=self.meeting_id, kind=type(event).__name__)

    def _tell_connection(self, room: Room, event: Any) -> None:
        from appliance.sfu.events import SessionConnected, SessionLost

        if isinstance(event, SessionConnected):
            room.tell(WebrtcConnectionEstablished(self.meeting_id, event.participant_id))
        elif isinstance(event, SessionLost):
            room.tell(WebrtcConnectionClosed(self.meeting_id, event.participant_id, event.reason))

    def _next_timer(self, room: Room) -> float:
        times = [self._quality_at, *streams.deadlines(room.audience.sessions.values())]
        resume_s = self._settings.signaling.resume_s
        times += [s.lost_at + resume_s for s in room.audience.sessions.values() if s.lost_at is not None]
        if self._empty_since is not None:
            times.append(self._empty_since + self._settings.meetings.empty_grace_s)
        return min(times)

    def _tick(self, room: Room) -> None:
        now = room.now()
        resume_s = self._settings.signaling.resume_s
        for session in list(room.audience.sessions.values()):
            if session.lost_at is not None and now >= session.lost_at + resume_s:
                room.apply(room.meeting.leave(session.participant_id, "lost"))
        streams.give_up_overdue(room)
        room.settle()
        if not room.audience.sessions:
            self._quality_at = math.inf
            if self._empty_since is None:
                self._empty_since = now
            elif now >= self._empty_since + self._settings.meetings.empty_grace_s and not self._done:
                room.store_end("empty")
                self._done = True
        elif now >= self._quality_at:
            self._quality_at = now + QUALITY_EACH_S
            room.captions.look()
            room.vision.look()
            found = {s.participant_id: s.media.quality() for s in room.audience.sessions.values()}
            if (told := room.quality.update(found)) is not None:
                room.audience.tell_all(Quality(participants=told))


async def _start(room: Room, activate: Statement, conn: Conn) -> bool:
    """Repository function: mark the meeting as active, and here; whether it may run."""
    await activate(conn)
    return await meetings.find(conn, room.meeting_id) is not None and await room.hold(conn)
