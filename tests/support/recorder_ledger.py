"""Recordings without media: what the API's tests put in the place of `live.recorder`.

Real in what the API can see: rows, events and the order for processing are written as the recorder writes them.
"""

from __future__ import annotations

from collections.abc import Callable

from appliance.errors import UserError
from appliance.ids import new_id
from appliance.jobs.recording_orders import process_order
from appliance.live.recording_rows import store_start
from appliance.store import jobs, meetings, recordings
from appliance.store.database import Conn, Database
from appliance.store.recordings import NewRecording

NODE = "node_here"


class RecorderLedger:
    """`live_port.Recorder` kept by hand."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms
        self.running: dict[str, str] = {}
        """Meeting by recording."""
        self.disk_full = False

    async def start(
        self,
        meeting_id: str,
        *,
        by_user_id: str | None,
        by_name: str | None,
        layout: str | None,
        live: bool | None = None,
    ) -> str:
        if meeting_id in self.running.values():
            raise UserError(409, "already_recording", "the meeting is being recorded")
        meeting = await self._database.read(meetings.find_any, meeting_id)
        if meeting is None or meeting.status != "active":
            raise UserError(409, "not_running", "the meeting does not run")
        if self.disk_full:
            raise UserError(507, "disk_full", "the recording cannot be written: disk full")
        new = NewRecording(
            id=new_id("rec"),
            meeting_id=meeting_id,
            title=meeting.title,
            layout=layout or "speaker",  # type: ignore[arg-type]  # the API has checked it
            started_by_id=by_user_id,
            started_by_name=by_name,
            started_at_ms=self._now_ms(),
            node=NODE,
        )
        await self._database.run(store_start, new, bool(live), new.started_at_ms)
        self.running[new.id] = meeting_id
        return new.id

    async def stop(self, recording_id: str, reason: str) -> None:
        meeting_id = self._find(recording_id)
        await self._database.run(_stop, recording_id, meeting_id, reason, self._now_ms())
        del self.running[recording_id]

    async def pause(self, recording_id: str) -> None:
        self._find(recording_id)
        await self._database.run(recordings.set_paused, recording_id, True)

    async def resume(self, recording_id: str) -> None:
        self._find(recording_id)
        await self._database.run(recordings.set_paused, recording_id, False)

    def is_recording(self, meeting_id: str) -> bool:
        return meeting_id in self.running.values()

    def _find(self, recording_id: str) -> str:
        if recording_id not in self.running:
            raise UserError(409, "not_recording", "this recording does not run on this server now")
        return self.running[recording_id]


async def _stop(conn: Conn, recording_id: str, meeting_id: str, reason: str, now_ms: int) -> None:
    assert await recordings.stop(conn, recording_id, reason=reason, recovered=False, now_ms=now_ms)
    await jobs.enqueue(conn, process_order(recording_id=recording_id, meeting_id=meeting_id, node=NODE, now_ms=now_ms))
