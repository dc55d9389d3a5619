"""Recordings: start, stop, pause, list, show, delete, process again, cancel.

Owns who may do so and the rows; what runs is the recorder's (`live_port.Recorder`), the files are `recording_files`'s.
"""

from __future__ import annotations

from appliance.api.bodies import Empty, ProcessBody, RecordingsQuery, StartRecordingBody, StopRecordingBody
from appliance.api.call import Call
from appliance.api.meeting_access import find_for as find_meeting_for
from appliance.api.pages import Page, cut, decode_cursor
from appliance.api.recording_access import Held, Standings, check, find, find_for, judge
from appliance.api.recording_shapes import RecordingView, recording_view
from appliance.api.shapes import Nothing
from appliance.errors import UserError
from appliance.jobs.recording_orders import RECORDING_PROCESS, process_key, process_order, remove_order
from appliance.store import audit, jobs, meetings, recording_runs, recordings
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.users import User


async def start(call: Call, body: StartRecordingBody) -> RecordingView:
    """Record a running meeting from now on (host or cohost)."""
    found = await find_meeting_for(call, body.meeting_id, "record")
    recording_id = await call.services.recorder.start(
        found.meeting.id, by_user_id=call.user.id, by_name=call.user.nickname, layout=body.layout, live=body.live
    )
    return await _noted(call, recording_id, call.audit_entry("recording.start", target=recording_id))


async def stop(call: Call, recording_id: str, body: Empty) -> RecordingView:
    """End a recording; files are made of it then (host or cohost)."""
    await find_for(call, recording_id, "control")
    await call.services.recorder.stop(recording_id, "asked")
    return await _noted(call, recording_id, call.audit_entry("recording.stop", target=recording_id))


async def stop_named(call: Call, body: StopRecordingBody) -> RecordingView:
    """An older way to end a recording: POST /recordings/{recording_id}/stop."""
    return await stop(call, body.recording_id, Empty())


async def pause(call: Call, recording_id: str, body: Empty) -> RecordingView:
    """Record nothing for a while; the gap is cut out (host or cohost)."""
    await find_for(call, recording_id, "control")
    await call.services.recorder.pause(recording_id)
    return await _changed(call, recording_id)


async def resume(call: Call, recording_id: str, body: Empty) -> RecordingView:
    """Go on after a pause (host or cohost)."""
    await find_for(call, recording_id, "control")
    await call.services.recorder.resume(recording_id)
    return await _changed(call, recording_id)


async def _noted(call: Call, recording_id: str, entry: AuditEntry) -> RecordingView:
    await call.run(audit.insert, entry)
    return await _changed(call, recording_id)


async def _changed(call: Call, recording_id: str) -> RecordingView:
    call.services.recording_changes.tell(recording_id)
    return recording_view(await call.read(find, recording_id, call.user))


async def list_page(call: Call, query: RecordingsQuery) -> Page[RecordingView]:
    """The recordings that I may see, newest first; of one meeting with ``meeting_id``, its id or code."""
    rows = await call.read(_page, call.user, query.meeting_id, decode_cursor(query.cursor), query.limit + 1)
    return cut(rows, query.limit, recording_view, lambda held: (held.recording.started_at_ms, held.recording.id))


async def _page(
    conn: Conn, user: User, meeting_id: str | None, after: tuple[int, str] | None, limit: int
) -> list[Held]:
    if meeting_id is not None and "_" not in meeting_id:
        meeting = await meetings.find(conn, meeting_id.lower())
        if meeting is None:
            return []
        meeting_id = meeting.id
    viewer_id = None if user.role == "admin" else user.id
    rows = await recordings.page(conn, viewer_id=viewer_id, meeting_id=meeting_id, after=after, limit=limit)
    known: Standings = {}
    return [await judge(conn, row, user, known, listed=True) for row in rows]


async def show(call: Call, recording_id: str) -> RecordingView:
    """A recording: what there is of it, and how far processing is."""
    return recording_view(await call.read(find, recording_id, call.user))


async def delete(call: Call, recording_id: str, body: Empty) -> Nothing:
    """Delete a recording with all its files and links; not while it runs (creator or host)."""
    entry = call.audit_entry("recording.delete", target=recording_id)
    await call.run(_delete, recording_id, call.user, entry, call.now_ms)
    call.services.recording_changes.tell(recording_id)
    return Nothing()


async def _delete(conn: Conn, recording_id: str, user: User, entry: AuditEntry, now_ms: int) -> None:
    held = await find(conn, recording_id, user)
    check(held, "manage")
    recording = held.recording
    if not await recordings.delete(conn, recording_id, now_ms):
        raise UserError(409, "still_recording", "the recording runs: stop it first", field="recording_id")
    await _cancel_job(conn, recording_id, recording.run, now_ms)
    order = remove_order(recording_id=recording_id, meeting_id=recording.meeting_id, now_ms=now_ms)
    await jobs.enqueue(conn, order)
    await audit.insert(conn, entry)


async def process(call: Call, recording_id: str, body: ProcessBody) -> RecordingView:
    """Make its files after all, when that failed or was cancelled (creator or host)."""
    entry = call.audit_entry("recording.process", target=recording_id)
    return _told(call, await call.run(_process, recording_id, call.user, body, entry, call.now_ms))


async def _process(
    conn: Conn, recording_id: str, user: User, body: ProcessBody, entry: AuditEntry, now_ms: int
) -> Held:
    held = await find(conn, recording_id, user)
    check(held, "manage")
    run = await recording_runs.process_again(conn, recording_id, layout=body.layout)
    if run is None:
        reason = (
            f"only a failed or cancelled recording can be processed again, this one is {held.recording.status}"
            if held.recording.has_journals
            else "what was recorded is not kept any more"
        )
        raise UserError(409, "wrong_state", reason, field="recording_id")
    order = process_order(
        recording_id=recording_id,
        meeting_id=held.recording.meeting_id,
        node=held.recording.node,
        now_ms=now_ms,
        run=run,
        height=body.height,
        format=body.format,
    )
    await jobs.enqueue(conn, order)
    await audit.insert(conn, entry)
    return await find(conn, recording_id, user)


async def cancel(call: Call, recording_id: str, body: Empty) -> RecordingView:
    """Give up processing; what was recorded is kept, and may be processed again (creator or host)."""
    entry = call.audit_entry("recording.cancel", target=recording_id)
    return _told(call, await call.run(_cancel, recording_id, call.user, entry, call.now_ms))


async def _cancel(conn: Conn, recording_id: str, user: User, entry: AuditEntry, now_ms: int) -> Held:
    held = await find(conn, recording_id, user)
    check(held, "manage")
    if not await recording_runs.cancel(conn, recording_id):
        reason = f"only one that is being processed can be cancelled, this one is {held.recording.status}"
        raise UserError(409, "wrong_state", reason, field="recording_id")
    await _cancel_job(conn, recording_id, held.recording.run, now_ms)
    await audit.insert(conn, entry)
    return await find(conn, recording_id, user)


def _told(call: Call, held: Held) -> RecordingView:
    """Processing begins anew or is given up: pages and the room hear of it."""
    call.services.recording_changes.tell(held.recording.id)
    call.services.live.recording_changed(held.recording)
    return recording_view(held)


async def _cancel_job(conn: Conn, recording_id: str, run: int, now_ms: int) -> None:
    job = await jobs.by_key(conn, RECORDING_PROCESS.name, process_key(recording_id, run))
    if job is not None:
        await jobs.cancel(conn, job.id, now_ms)
