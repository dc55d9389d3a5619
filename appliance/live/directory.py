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
from typing import Any, cast

import structlog
import trio

from appliance.auth.tokens import TokenSigner
from appliance.errors import UserError
from appliance.live.admission import admit
from appliance.live.commands import (
    Changed,
    ComeBack,
    Command,
    End,
    Enter,
    GiveRole,
    MuteFromOutside,
    Remove,
    Reply,
    Said,
    SocketGone,
    Stop,
)
from appliance.live.media import MediaPlane
from appliance.live.meeting_task import MeetingTask, try_again
from appliance.live.session import Session
from appliance.live.sockets import JOIN_WITHIN_S, Incoming, Link, Socket, serve
from appliance.live.wire import participant_message
from appliance.meeting.participant import Role, Source
from appliance.settings import Settings
from appliance.signaling.connection import CloseCode, resume_refused
from appliance.signaling.messages import Join, Participant, Resume
from appliance.store import meetings, participants
from appliance.store.database import Database, DatabaseError
from appliance.store.meetings import Meeting

_log = structlog.get_logger(__name__)

# How long a page should wait before it looks for a restarted server: a start takes about this long.
RECONNECT_AFTER_S = 3.0
# Saying goodbye to everybody and writing the last rows.
_STOP_WITHIN_S = 8.0
# A join that meets a closing meeting waits for its end and starts it anew; twice in a row is already a strange chance.
_TRIES = 5


def _wall_ms() -> int:
    return time.time_ns() // 1_000_000


class Live:
    """The running meetings; made by `open_live`. Fulfils api's LiveMeetings."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        media: MediaPlane,
        signer: TokenSigner,
        nursery: trio.Nursery,
    ) -> None:
        self._settings = settings
        self._database = database
        self._media = media
        self._signer = signer
        self._nursery = nursery
        self._tasks: dict[str, MeetingTask] = {}
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
        try:
            for _ in range(_TRIES):
                self._refuse_while_stopping()
                admission = await self._database.read(
                    admit,
                    self._signer,
                    message.room,
                    message.token,
                    guests_allowed=self._settings.meetings.guests_allowed,
                    now_s=_wall_ms() // 1000,
                )
                task = await self._running(admission.meeting)
                try:
                    session = await self._let_in(task, link, Enter(message, admission, link))
                except UserError as error:
                    if error.code != "try_again":
                        raise
                    await task.ended.wait()
                else:
                    self._counts["joins"] += 1
                    return task, session
            raise try_again()
        except UserError:
            self._counts["joins_refused"] += 1
            raise

    async def _resume(self, link: Link, message: Resume) -> tuple[MeetingTask, Session]:
        task: MeetingTask | None = self._sessions.get(message.session_id)
        try:
            if task is None:
                raise resume_refused()
            session = await self._let_in(task, link, ComeBack(message, link))
        except UserError as error:
            self._counts["resumes_refused"] += 1
            raise (resume_refused() if error.code == "try_again" else error) from None
        self._counts["resumes"] += 1
        return task, session

    async def _let_in(self, task: MeetingTask, link: Link, command: Enter | ComeBack) -> Session:
        try:
            await task.put(command)
            return await command.reply.wait()
        except trio.Cancelled:  # the task may let in a socket that has just gone
            await self._lose(task, link)
            raise

    async def _lose(self, task: MeetingTask, link: Link) -> None:
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

    async def _tell(self, task: MeetingTask, command: Command) -> None:
        """Put a command for which there is no answer; a task that has ended needs none."""
        try:
            await task.put(command)
        except UserError:
            _log.debug("meeting_over", meeting=task.meeting_id, command=type(command).__name__)

    async def _ask(self, meeting_id: str, make: Callable[[], Command]) -> int:
        """Put a command and wait for its answer; 0 when the meeting does not run."""
        task = self._tasks.get(meeting_id)
        if task is None or task.closing:
            return 0
        command = make()
        reply = cast("Reply[int]", command.reply)  # type: ignore[union-attr]  # callers make commands that have one
        try:
            await task.put(command)
            return await reply.wait()
        except UserError as error:
            if error.code == "try_again":
                return 0
            raise

    # --- what the HTTP API asks --------------------------------------------------------------------------------

    def participant_count(self, meeting_id: str) -> int:
        """Connections in the room now."""
        task = self._tasks.get(meeting_id)
        return 0 if task is None or task.room is None else len(task.room.meeting.participants)

    def participants(self, meeting_id: str) -> list[Participant]:
        """Who is in the room now, in the order of joining."""
        task = self._tasks.get(meeting_id)
        if task is None or task.room is None:
            return []
        return [participant_message(p) for p in task.room.meeting.participants.values()]

    async def end(self, meeting_id: str, *, by_user_id: str | None) -> None:
        """Close the room for everybody; the caller has stored that the meeting ended."""
        await self._ask(meeting_id, lambda: End(by_user_id, stored=True))

    async def leave(self, meeting_id: str, user_id: str) -> int:
        """End the user's (or guest's) connections in the room; how many there were."""
        return await self._ask(meeting_id, lambda: Remove(user_id, "left"))

    async def kick(self, meeting_id: str, uid: str, *, by_user_id: str) -> int:
        """Remove every connection of a participant, user or guest id, and keep them out; how many there were."""
        return await self._ask(meeting_id, lambda: Remove(uid, "kicked", by_user_id))

    async def mute(self, meeting_id: str, uid: str, source: str | None, *, by_user_id: str) -> int:
        """Mute one source, or everything (None); how many tracks changed."""
        return await self._ask(meeting_id, lambda: MuteFromOutside(uid, cast("Source | None", source), by_user_id))

    async def set_role(self, meeting_id: str, uid: str, role: str, *, by_user_id: str) -> int:
        """Change the role of a participant, user or guest in the room; how many connections changed."""
        return await self._ask(meeting_id, lambda: GiveRole(uid, cast("Role", role), by_user_id))

    def meeting_changed(self, meeting_id: str, *, title: str, locked: bool) -> None:
        """Tell the room its new title and lock."""
        task = self._tasks.get(meeting_id)
        if task is not None:
            self._nursery.start_soon(self._tell, task, Changed(title, locked))

    def revoke_user(self, user_id: str) -> None:
        """Banned, deleted or signed out everywhere: end the user's sessions in every room."""
        for task in self._tasks.values():
            self._nursery.start_soon(self._tell, task, Remove(user_id, "revoked"))

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

    async def pause_idle_meetings(self) -> None:
        """Every empty_grace_s take meetings that are said to run and do not (a crash, a join that never came) back."""
        grace_s = self._settings.meetings.empty_grace_s
        while True:
            await trio.sleep(grace_s)
            now_ms = _wall_ms()
            try:
                await self._database.run(
                    meetings.pause_idle, frozenset(self._tasks), now_ms - round(grace_s * 1000), now_ms
                )
            except DatabaseError as error:
                _log.warning("idle_meetings_unwritten", error=str(error))


@asynccontextmanager
async def open_live(
    settings: Settings, database: Database, media: MediaPlane, signer: TokenSigner
) -> AsyncIterator[Live]:
    """Open the door; at the end every room is closed with a message. ``media``: an open Sfu.

    Joins that a crash left open in the database are ended first.
    """
    await database.run(participants.close_open, None, "lost", _wall_ms())
    async with trio.open_nursery() as nursery:
        live = Live(settings, database, media, signer, nursery)
        nursery.start_soon(live.pause_idle_meetings)
        try:
            yield live
        finally:
            with trio.move_on_after(_STOP_WITHIN_S, shield=True) as scope:
                await live.stop()
            if scope.cancelled_caught:
                _log.error("meetings_did_not_stop", deadline_s=_STOP_WITHIN_S)
            nursery.cancel_scope.cancel()
