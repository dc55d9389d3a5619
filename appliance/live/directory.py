"""Which meetings run in this process: the door for sockets, and what the HTTP API asks of them.

Owns the table of running meetings and the nursery of their tasks. A meeting starts with its first join and is gone
when its task ends; the failure of one meeting's task is caught here and nowhere else: its sockets are closed and come
in anew, everybody else goes on.
"""

from __future__ import annotations

import contextvars
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from os import uname
from typing import Any, TypeVar, cast

import structlog
import trio

from appliance.auth.tokens import TokenSigner
from appliance.errors import UserError
from appliance.live import nodes
from appliance.live.admission import Admission, admit
from appliance.live.captions import Transcribing
from appliance.live.commands import (
    ChangeStream,
    CloseStream,
    ComeBack,
    Command,
    Enter,
    Entry,
    OpenStream,
    Said,
    SocketGone,
    Stop,
)
from appliance.live.idle import pause_idle_meetings
from appliance.live.media import MediaPlane
from appliance.live.meeting_task import MeetingTask, try_again
from appliance.live.outside import Outside
from appliance.live.recording import MeetingRecorder
from appliance.live.session import FrameSink, Session
from appliance.live.sockets import JOIN_WITHIN_S, Incoming, Link, Socket, serve
from appliance.live.stream import ChangedStream, OpenedStream, Precondition, StreamKey, StreamRequest
from appliance.live.streams import NoSocket
from appliance.live.vision import Watching
from appliance.settings import Settings
from appliance.signaling.connection import CloseCode, resume_refused
from appliance.signaling.messages import Join, Resume
from appliance.store.database import Database, DatabaseError
from appliance.store.meetings import Meeting

T = TypeVar("T")

_log = structlog.get_logger(__name__)

# How long a page should wait before it looks for a restarted server: a start takes about this long.
RECONNECT_AFTER_S = 3.0
# Saying goodbye to everybody and writing the last rows.
_STOP_WITHIN_S = 8.0
# A join that meets a closing meeting waits for its end and starts it anew; twice in a row is already a strange chance.
_TRIES = 5


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Live(Outside):
    """The running meetings; made by `open_live`. Fulfils api's LiveMeetings."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        media: MediaPlane,
        signer: TokenSigner,
        nursery: trio.Nursery,
        recorder: MeetingRecorder | None,
        transcribing: Transcribing | None,
        watching: Watching | None,
        node: str,
    ) -> None:
        super().__init__(nursery)
        self._node = node
        self._settings = settings
        self._database = database
        self._media = media
        self._signer = signer
        self._recorder = recorder
        self._transcribing = transcribing
        self._watching = watching
        self._sessions: dict[str, Any] = {}  # session id → MeetingTask; each room keeps its own entries
        self._links: set[Link] = set()
        self._stopping = False
        self._counts = dict.fromkeys(("sockets", "joins", "joins_refused", "resumes", "resumes_refused", "failures"), 0)

    # --- sockets -----------------------------------------------------------------------------------------------

    async def serve_socket(self, socket: Socket, remote: str) -> None:
        """One signaling WebSocket from accept to close. ``remote``: the client's address, for the log."""
        signaling = self._settings.signaling
        # Twice the replay: a resume queues that much at once, and what happens meanwhile comes on top.
        link = Link(2 * signaling.replay_frames)
        self._links.add(link)
        self._counts["sockets"] += 1
        try:
            await serve(socket, link, signaling, _wall_ms, partial(self._converse, link, remote))
        except* Exception as group:  # one broken connection is nobody else's; cancellation goes on
            self._counts["failures"] += 1
            _log.error("socket_failed", remote=remote, exc_info=group)
        finally:
            self._links.discard(link)

    async def _converse(self, link: Link, remote: str, incoming: Incoming) -> None:
        task, session = None, None
        with trio.move_on_after(JOIN_WITHIN_S):
            task, session = await self._knock(link, incoming)
        if task is None or session is None:
            link.finish(CloseCode.NO_JOIN, f"no join within {JOIN_WITHIN_S:g} s")
            await trio.sleep_forever()  # until the writer has said goodbye
            return
        _log.info("socket_joined", meeting=task.meeting_id, participant=session.participant_id, remote=remote)
        try:
            while True:
                await task.put(Said(session, link, await incoming.next()))
        except UserError:  # the meeting is over: the link was closed with the reason
            link.finish(CloseCode.SERVER_ERROR, "the meeting's task ended")
            await trio.sleep_forever()
        finally:
            await self._lose(task, link)

    async def _knock(self, link: Link, incoming: Incoming) -> tuple[MeetingTask, Session]:
        """Read until a join or resume succeeds; every refusal is told and may be followed by another try."""
        while True:
            message = await incoming.next()
            try:
                match message:
                    case Join():
                        return await self._join(link, message)
                    case Resume():
                        return await self._resume(link, message)
                    case _:
                        raise UserError(409, "not_joined", "send join or resume first", field="type")
            except UserError as error:
                incoming.refuse(error, message.ref)
            except DatabaseError as error:
                _log.warning("join_unreadable", error=str(error))
                refusal = UserError(503, "unavailable", "the database is away", retry_after_s=1.0)
                incoming.refuse(refusal, message.ref)

    async def _join(self, link: Link, message: Join) -> tuple[MeetingTask, Session]:
        return await self._admit(message.room, message.token, lambda admission: Enter(message, admission, link))

    async def _admit(self, room: str, token: str, make: Callable[[Admission], Entry[T]]) -> tuple[MeetingTask, T]:
        """Check a join token, start the meeting if need be, and put the command that lets its holder in."""
        try:
            for _ in range(_TRIES):
                self._refuse_while_stopping()
                admission = await self._database.read(
                    admit,
                    self._signer,
                    room,
                    token,
                    guests_allowed=self._settings.meetings.guests_allowed,
                    now_s=_wall_ms() // 1000,
                )
                task = await self._running(admission.meeting)
                try:
                    entered = await self._let_in(task, make(admission))
                except UserError as error:
                    if error.code != "try_again":
                        raise
                    await task.ended.wait()
                else:
                    self._counts["joins"] += 1
                    return task, entered
            raise try_again()
        except UserError:
            self._counts["joins_refused"] += 1
            raise

    async def _resume(self, link: Link, message: Resume) -> tuple[MeetingTask, Session]:
        task: MeetingTask | None = self._sessions.get(message.session_id)
        try:
            if task is None:
                raise resume_refused()
            session = await self._let_in(task, ComeBack(message, link))
        except UserError as error:
            self._counts["resumes_refused"] += 1
            raise (resume_refused() if error.code == "try_again" else error) from None
        self._counts["resumes"] += 1
        return task, session

    async def _let_in(self, task: MeetingTask, command: Entry[T]) -> T:
        try:
            await task.put(cast("Command", command))
            return await command.reply.wait()
        except trio.Cancelled:  # the task may let in a socket that has just gone
            await self._lose(task, command.link)
            raise

    async def _lose(self, task: MeetingTask, link: FrameSink) -> None:
        with trio.CancelScope(shield=True):
            # The task takes commands or has closed its channel: this never waits for long.
            await self._tell(task, SocketGone(link))

    # --- meetings ----------------------------------------------------------------------------------------------

    async def _running(self, row: Meeting) -> MeetingTask:
        while True:
            self._refuse_while_stopping()
            task = self._tasks.get(row.id)
            if task is None:
                task = self._tasks[row.id] = MeetingTask(
                    settings=self._settings,
                    database=self._database,
                    media=self._media,
                    row=row,
                    wall_ms=_wall_ms,
                    index=self._sessions,
                    node=self._node,
                    recorder=self._recorder,
                    transcribing=self._transcribing,
                    watching=self._watching,
                )
                # In a context of its own: the meeting's log lines are not those of the request that came first.
                contextvars.Context().run(self._nursery.start_soon, self._run, task)
                return task
            if not task.closing:
                return task
            await task.ended.wait()

    async def _run(self, task: MeetingTask) -> None:
        try:
            await task.run()
        except* Exception as group:
            self._counts["failures"] += 1
            _log.error("meeting_failed", meeting=task.meeting_id, exc_info=group)
        finally:
            if self._tasks.get(task.meeting_id) is task:
                del self._tasks[task.meeting_id]

    def _refuse_while_stopping(self) -> None:
        if self._stopping:
            raise UserError(503, "server_stopping", "the server is restarting", retry_after_s=RECONNECT_AFTER_S)

    @property
    def connected(self) -> int:
        """People who are in meetings, on all of them."""
        return len(self._sessions)

    def statistics(self) -> dict[str, object]:
        """Rooms, connections and totals since the start."""
        rooms = {t.meeting_id: t.room.statistics() for t in self._tasks.values() if t.room is not None}
        return {
            "rooms": rooms,
            "meetings": len(self._tasks),
            "participants": sum(room["participants"] for room in rooms.values()),
            "sessions": len(self._sessions),
            "sockets": len(self._links),
            "totals": dict(self._counts),
        }

    # --- participants without a socket ---------------------------------------------------------------------------

    async def open_stream(self, request: StreamRequest) -> OpenedStream:
        """Let a WHIP publisher or WHEP viewer in."""
        link = NoSocket()
        _, opened = await self._admit(request.room, request.token, lambda found: OpenStream(request, found, link))
        return opened

    async def change_stream(self, key: StreamKey, precondition: Precondition, fragment: str) -> ChangedStream | None:
        """Candidates, or an ICE restart, of a stream."""
        command = ChangeStream(key, precondition, fragment)
        await self._of_stream(key).put(command)
        return await command.reply.wait()

    async def close_stream(self, key: StreamKey) -> None:
        """End a stream."""
        command = CloseStream(key)
        await self._of_stream(key).put(command)
        await command.reply.wait()

    def _of_stream(self, key: StreamKey) -> MeetingTask:
        task: MeetingTask | None = self._sessions.get(key.session_id)
        if task is None:
            raise UserError(404, "not_found", "there is no such stream", field="stream_id")
        return task

    # --- the end -----------------------------------------------------------------------------------------------

    async def stop(self) -> None:
        """Tell everybody that the server stops and when to come back; nobody gets in any more. Idempotent."""
        self._stopping = True
        tasks = list(self._tasks.values())
        for task in tasks:
            await self._tell(task, Stop(RECONNECT_AFTER_S))
        for task in tasks:
            await task.ended.wait()
        for link in self._links:  # those who never joined
            link.finish(CloseCode.GOING_AWAY, "server stopping")


@asynccontextmanager
async def open_live(
    settings: Settings,
    database: Database,
    media: MediaPlane,
    signer: TokenSigner,
    recorder: MeetingRecorder | None = None,
    transcribing: Transcribing | None = None,
    watching: Watching | None = None,
    *,
    node: str,
    version: str = "",
) -> AsyncIterator[Live]:
    """Open the door; at the end every room is closed with a message. ``media``: an open Sfu.

    Joins that a crash of this node left open in the database are ended first. ``node``: of the data folder.
    ``version``: for whoever looks which servers there are.
    """
    name = uname().nodename
    await nodes.enter(database, node, name, _wall_ms, version=version)
    async with trio.open_nursery() as nursery:
        live = Live(settings, database, media, signer, nursery, recorder, transcribing, watching, node)
        watch = partial(nodes.watch, version=version, lost_after_s=settings.database.node_lost_after_s)
        nursery.start_soon(watch, database, node, name, live.running, _wall_ms)
        nursery.start_soon(
            pause_idle_meetings, database, node, live.running, settings.meetings.empty_grace_s, _wall_ms
        )
        try:
            yield live
        finally:
            with trio.move_on_after(_STOP_WITHIN_S, shield=True) as scope:
                await live.stop()
            if scope.cancelled_caught:
                _log.error("meetings_did_not_stop", deadline_s=_STOP_WITHIN_S)
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):  # the database bounds its own time
                await nodes.leave(database, node)
