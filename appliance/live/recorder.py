"""Recordings of the meetings that run here: started, paused and stopped, each written by a task of its own.

Owns which meeting is being recorded, and the order of a start (folder, row, taps) and of an end (taps, journals, row
with the job that makes files of it). An end always comes: asked for, with the meeting, with the disk, or with the
server; what even that misses, as a kill, `recording_rows.recover_recordings` does at the next start.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

import structlog
import trio

from appliance.errors import UserError
from appliance.ids import new_id
from appliance.live.commands import BeginRecording, Command, EndRecording, PauseRecording
from appliance.live.recording import RoomRecording
from appliance.live.recording_rows import fail_start, recover_recordings, store_end, store_start
from appliance.meeting.participant import Participant
from appliance.recorder.manifest import Manifest
from appliance.recorder.writer import DiskError, RecordingWriter, create, discard
from appliance.settings import RecordingSettings
from appliance.store import meetings, recordings
from appliance.store.database import Database, DatabaseError, DatabaseUnavailableError
from appliance.store.meetings import Meeting

_log = structlog.get_logger(__name__)

# Disk calls of all recordings at once; each is short, and one that hangs must not hold up the others at once.
_THREADS = 8
# Closing the journals of every recording when the server stops.
_STOP_WITHIN_S = 6.0
# While the database is away; what is not stored before the server stops is made good by the next start.
_RETRY_S = 1.0
# People who come back after a restart find their meeting recorded as before.
_GO_ON_WITHIN_S = 600.0
# A room's task answers within milliseconds; one that has failed never does.
_LET_GO_WITHIN_S = 2.0


class Meetings(Protocol):
    """What this asks of `live.directory.Live`."""

    def running(self) -> frozenset[str]:
        """Ids of the meetings that run here."""

    async def put(self, meeting_id: str, command: Command) -> None:
        """Give a command to a running meeting; UserError 409 ``not_running``."""


class _Running:
    """One recording from its start to the end of its journals."""

    def __init__(self, recording_id: str, meeting_id: str, writer: RecordingWriter) -> None:
        self.recording_id = recording_id
        self.meeting_id = meeting_id
        self.writer = writer
        self.reason = ""
        self.stop_asked = trio.Event()
        self.ended = trio.Event()

    def ask_stop(self, reason: str) -> None:
        """End soon; the first reason counts."""
        if not self.stop_asked.is_set():
            self.reason = reason
            self.stop_asked.set()


class Recorder:
    """Made by `open_recorder`. Fulfils api's port."""

    def __init__(
        self,
        settings: RecordingSettings,
        root: Path,
        database: Database,
        nursery: trio.Nursery,
        *,
        node: str,
        now_ms: Callable[[], int],
        clock_us: Callable[[], int],
        changed: Callable[[str], None],
    ) -> None:
        """``clock_us``: the journals' clock. ``changed``: see `open_recorder`."""
        self._settings = settings
        self._root = root
        self._database = database
        self._nursery = nursery
        self._node = node
        self._now_ms = now_ms
        self._clock_us = clock_us
        self._changed = changed
        self._limiter = trio.CapacityLimiter(_THREADS)
        self._running: dict[str, _Running | None] = {}
        """By meeting; None while it starts."""
        self._stopping = False
        self._counts = dict.fromkeys(("started", "stopped", "disk_errors", "records_lost", "bytes"), 0)
        self.meetings: Meetings | None = None
        """Set by the composition root: the meetings are opened after this."""

    # --- what is asked -------------------------------------------------------------------------------------------

    async def start(
        self,
        meeting_id: str,
        *,
        by_user_id: str | None,
        by_name: str | None,
        layout: str | None,
        live: bool | None = None,
    ) -> str:
        """Record a running meeting from now on; its id. ``layout`` and ``live`` None: as the settings say.

        UserError 409 ``not_running`` or ``already_recording``, 507 ``disk_full``; DatabaseError. Nothing stays of one
        that failed.
        """
        return await self._start(meeting_id, by_user_id, by_name, layout, live, by_user_id)

    async def start_inside(self, meeting_id: str, *, by: Participant, layout: str | None) -> None:
        """The same for somebody who is in the meeting, with an account or without."""
        await self._start(meeting_id, by.user_id, by.name, layout, None, by.participant_id)

    async def meeting_started(self, meeting: Meeting) -> None:
        """Record it if it says so, or if the server's end interrupted its recording a moment ago.

        Does not fail, for it runs beside the meeting. While the database is away it is tried again, until cancelled.
        """
        since_ms = self._now_ms() - round(_GO_ON_WITHIN_S * 1000)
        while True:
            try:
                interrupted = await self._database.read(recordings.was_interrupted, meeting.id, since_ms)
                if meeting.auto_record or interrupted:
                    await self.start(meeting.id, by_user_id=None, by_name=None, layout=None)
                return
            except (UserError, DatabaseError) as error:
                again = isinstance(error, DatabaseUnavailableError)
                _log.warning("recording_not_started", meeting=meeting.id, reason=str(error), tried_again=again)
                if not again:
                    return
            await trio.sleep(_RETRY_S)

    async def _start(
        self,
        meeting_id: str,
        by_user_id: str | None,
        by_name: str | None,
        layout: str | None,
        live: bool | None,
        by_uid: str | None,
    ) -> str:
        with trio.CancelScope(shield=True):  # half a start would leave a row that nobody ends
            running = await self._begin(meeting_id, by_user_id, by_name, layout, live, by_uid)
        _log.info("recording_started", recording=running.recording_id, meeting=meeting_id, by=by_uid)
        return running.recording_id

    async def _begin(
        self,
        meeting_id: str,
        by_user_id: str | None,
        by_name: str | None,
        layout: str | None,
        live: bool | None,
        by_uid: str | None,
    ) -> _Running:
        if self._stopping or self.meetings is None:
            raise UserError(503, "server_stopping", "the server is restarting", retry_after_s=3.0)
        if meeting_id in self._running:
            raise UserError(409, "already_recording", "the meeting is being recorded")
        self._running[meeting_id] = None
        try:
            running, recording = await self._open(meeting_id, by_user_id, by_name, layout, live)
        except BaseException:
            del self._running[meeting_id]
            raise
        self._running[meeting_id] = running
        self._counts["started"] += 1
        self._nursery.start_soon(self._run, running)
        try:
            await self.meetings.put(meeting_id, BeginRecording(recording, by_uid))
        except UserError:
            running.ask_stop("meeting ended")
            raise
        return running

    async def stop(self, recording_id: str, reason: str) -> None:
        """End a recording; returns when its journals are closed. UserError 409 ``not_recording``."""
        running = self._find(recording_id)
        running.ask_stop(reason)
        await running.ended.wait()

    async def pause(self, recording_id: str) -> None:
        """Write nothing until `resume`; idempotent. UserError 409 ``not_recording``."""
        await self._pause(recording_id, True)

    async def resume(self, recording_id: str) -> None:
        """Go on after a pause; idempotent. UserError 409 ``not_recording``."""
        await self._pause(recording_id, False)

    def is_recording(self, meeting_id: str) -> bool:
        """Whether the meeting is being recorded, or about to be."""
        return meeting_id in self._running

    def statistics(self) -> dict[str, int]:
        """Recordings now, and totals since the start."""
        active = [running for running in self._running.values() if running is not None]
        return {
            "recording": len(active),
            **self._counts,
            "bytes": self._counts["bytes"] + sum(running.writer.bytes_written for running in active),
            "records_lost": self._counts["records_lost"] + sum(running.writer.lost for running in active),
        }

    async def close(self) -> None:
        """End every recording because the server stops."""
        self._stopping = True
        active = [running for running in self._running.values() if running is not None]
        for running in active:
            running.ask_stop(recordings.SERVER_STOPPING)
        for running in active:
            await running.ended.wait()

    def _find(self, recording_id: str) -> _Running:
        for running in self._running.values():
            if running is not None and running.recording_id == recording_id and not running.stop_asked.is_set():
                return running
        raise UserError(409, "not_recording", "this recording does not run on this server now")

    async def _pause(self, recording_id: str, paused: bool) -> None:
        running = self._find(recording_id)
        assert self.meetings is not None  # it could not have started
        command = PauseRecording(recording_id, paused)
        await self.meetings.put(running.meeting_id, command)
        if await command.reply.wait():
            await self._database.run(recordings.set_paused, recording_id, paused)
            self._changed(recording_id)

    # --- a recording's life --------------------------------------------------------------------------------------

    async def _open(
        self, meeting_id: str, by_user_id: str | None, by_name: str | None, layout: str | None, live: bool | None
    ) -> tuple[_Running, RoomRecording]:
        meeting = await self._database.read(meetings.find_any, meeting_id)
        assert self.meetings is not None
        # the row says so a moment after the room does
        if meeting is None or meeting.status in ("ended", "cancelled") or meeting_id not in self.meetings.running():
            raise UserError(409, "not_running", "the meeting does not run")
        recording_id, since_ms = new_id("rec"), self._now_ms()
        manifest = Manifest(
            recording_id=recording_id,
            meeting_id=meeting_id,
            title=meeting.title,
            started_at_ms=self._clock_us() // 1000,
        )
        try:
            folder = await trio.to_thread.run_sync(
                partial(create, self._root, manifest, min_free_bytes=self._settings.min_free_bytes),
                limiter=self._limiter,
            )
        except DiskError as error:
            self._counts["disk_errors"] += 1
            raise UserError(507, "disk_full", f"the recording cannot be written: {error}") from error
        row = recordings.NewRecording(
            id=recording_id,
            meeting_id=meeting_id,
            title=meeting.title,
            layout=layout or self._settings.layout,  # type: ignore[arg-type]  # the API has checked it
            started_by_id=by_user_id,
            started_by_name=by_name,
            started_at_ms=since_ms,
            node=self._node,
        )
        is_live = self._settings.live if live is None else live
        try:
            await self._database.run(store_start, row, is_live, since_ms)
        except Exception as error:
            await trio.to_thread.run_sync(discard, folder, limiter=self._limiter)
            if isinstance(error, DatabaseUnavailableError):  # which may have stored the row all the same
                self._nursery.start_soon(self._store, recording_id, fail_start, recording_id, str(error), since_ms)
            raise
        writer = RecordingWriter(
            folder,
            manifest,
            clock_us=self._clock_us,
            min_free_bytes=self._settings.min_free_bytes,
            limiter=self._limiter,
        )
        running = _Running(recording_id, meeting_id, writer)
        recording = RoomRecording(
            recording_id,
            writer,
            since_ms=since_ms,
            by_name=by_name,
            consent_required=meeting.recording_consent,
            ask_stop=running.ask_stop,
        )
        return running, recording

    async def _run(self, running: _Running) -> None:
        async with trio.open_nursery() as beside:
            beside.start_soon(self._write, running)
            await running.stop_asked.wait()
            beside.cancel_scope.cancel()
        await self._let_go(running)
        with trio.CancelScope(shield=True):  # bounded by the disk, and by _STOP_WITHIN_S when the server stops
            manifest = await running.writer.finish(stopped_at_ms=self._clock_us() // 1000, reason=running.reason)
            self._counts["bytes"] += running.writer.bytes_written
            self._counts["records_lost"] += running.writer.lost
            await self._store(running.recording_id, store_end, manifest, self._node, self._now_ms())
        del self._running[running.meeting_id]
        self._counts["stopped"] += 1
        running.ended.set()
        _log.info(
            "recording_stopped",
            recording=running.recording_id,
            meeting=running.meeting_id,
            reason=running.reason,
            bytes=running.writer.bytes_written,
            lost=running.writer.lost,
        )

    async def _write(self, running: _Running) -> None:
        try:
            await running.writer.serve()
        except DiskError as error:
            self._counts["disk_errors"] += 1
            _log.error("recording_disk_error", recording=running.recording_id, reason=str(error))
            running.ask_stop(str(error))

    async def _let_go(self, running: _Running) -> None:
        """Have the room end its taps and tell everybody; the room may be gone, and its taps with it."""
        assert self.meetings is not None  # it could not have started
        command = EndRecording(running.recording_id, running.reason)
        with trio.move_on_after(_LET_GO_WITHIN_S, shield=True):
            try:
                await self.meetings.put(running.meeting_id, command)
                await command.reply.wait()
            except UserError as error:
                _log.debug("recording_outlives_room", recording=running.recording_id, reason=error.code)

    async def _store(self, recording_id: str, fn: Callable[..., Awaitable[object]], *args: object) -> None:
        """Have the database know how a recording ended. What it refuses, and what is not stored when the server stops,
        is left to the next start, which finds the row open."""
        while True:
            try:
                await self._database.run(fn, *args)
                return
            except DatabaseError as error:
                again = isinstance(error, DatabaseUnavailableError) and not self._stopping
                _log.warning("recording_end_not_stored", recording=recording_id, error=str(error), tried_again=again)
                if not again:
                    return
            await trio.sleep(_RETRY_S)


@asynccontextmanager
async def open_recorder(
    settings: RecordingSettings,
    root: Path,
    database: Database,
    *,
    node: str,
    now_ms: Callable[[], int],
    clock_us: Callable[[], int],
    changed: Callable[[str], None] = lambda recording_id: None,
) -> AsyncIterator[Recorder]:
    """Recover what an earlier run left open, then record; at the end every recording is closed.

    ``changed``: told of each that was paused or goes on, which is no event. Must not wait.
    """
    await recover_recordings(root, database, node=node, now_ms=now_ms)
    async with trio.open_nursery() as nursery:
        recorder = Recorder(
            settings, root, database, nursery, node=node, now_ms=now_ms, clock_us=clock_us, changed=changed
        )
        try:
            yield recorder
        finally:
            with trio.move_on_after(_STOP_WITHIN_S, shield=True) as scope:
                await recorder.close()
            if scope.cancelled_caught:
                _log.error("recordings_did_not_close", deadline_s=_STOP_WITHIN_S)
            nursery.cancel_scope.cancel()
