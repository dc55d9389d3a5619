"""The job that looks after recordings every few minutes: too old ones and too many go, and nothing is left over.

Owns the rules of ``[recording]`` ``keep_days`` and ``max_total_bytes``, and mends what an outage left half done: a
deleted recording whose removal was given up, journals beside finished files, objects of runs that are over, processing
whose job is dead. Orders what is to be done; `removal` does it.
"""

from __future__ import annotations

import structlog

from appliance.jobs.places import JobContext
from appliance.jobs.recording_orders import RECORDING_PROCESS, process_key, remove_order
from appliance.jobs.registry import Registry
from appliance.jobs.schedule import Every
from appliance.jobs.types import JobType, NoPayload
from appliance.recordings.shelf import Shelf, Told
from appliance.settings import RecordingSettings
from appliance.store import jobs, recording_runs, recording_shares, recordings
from appliance.store.database import Conn
from appliance.store.recordings import Recording

_log = structlog.get_logger(__name__)

KEEP_RECORDINGS = JobType(name="recordings.keep", payload=NoPayload, priority="low", at_once=1)
"""Ten minutes bound how long a film whose process killed the server four times is said to be processed."""
_EACH_S = 600
_DAY_MS = 86_400_000
# A removal that has not happened after this was given up, and is ordered anew each hour.
_LEFT_OVER_MS = 3_600_000
# Rows of one transaction.
_AT_ONCE = 100


def add_retention(
    registry: Registry, shelf: Shelf, settings: RecordingSettings, *, told: Told = lambda recording: None
) -> None:
    """Bind the job and say when it recurs."""

    async def keep(_context: JobContext, _payload: NoPayload) -> dict[str, int]:
        now_ms, run = shelf.now_ms(), shelf.database.run
        too_old = 0
        if settings.keep_days:
            while deleted := await run(_delete_old, now_ms - settings.keep_days * _DAY_MS, now_ms):
                too_old += deleted
        too_many = await run(_delete_beyond, settings.max_total_bytes, now_ms) if settings.max_total_bytes else 0
        given_up = await run(_give_up, now_ms)
        for recording in given_up:
            told(recording)
        left_over = await run(_order_left_over, now_ms)
        await run(recording_shares.forget, now_ms)
        counts = {"too_old": too_old, "too_many": too_many, "given_up": len(given_up), "left_over": left_over}
        if any(counts.values()):
            _log.info("recordings_kept_in_order", **counts)
        return counts

    registry.task(KEEP_RECORDINGS, keep)
    registry.recur("recordings.keep", KEEP_RECORDINGS, NoPayload(), Every(_EACH_S))


async def _delete_old(conn: Conn, before_ms: int, now_ms: int) -> int:
    return await _delete(conn, await recordings.ended_before(conn, before_ms, _AT_ONCE), now_ms)


async def _delete_beyond(conn: Conn, most_bytes: int, now_ms: int) -> int:
    return await _delete(conn, await recordings.beyond(conn, most_bytes), now_ms)


async def _delete(conn: Conn, ids: list[str], now_ms: int) -> int:
    count = 0
    for recording_id in ids:
        recording = await recordings.by_id(conn, recording_id)
        if recording is not None and await recordings.delete(conn, recording_id, now_ms):
            order = remove_order(recording_id=recording_id, meeting_id=recording.meeting_id, now_ms=now_ms)
            await jobs.enqueue(conn, order)
            count += 1
    return count


async def _give_up(conn: Conn, now_ms: int) -> list[Recording]:
    """Recordings that are said to be processed, and whose job is over."""
    found = []
    for recording in await recording_runs.processing(conn):
        job = await jobs.by_key(conn, RECORDING_PROCESS.name, process_key(recording.id, recording.run))
        if job is not None and job.state in ("waiting", "running"):
            continue
        if job is not None and job.state == "cancelled":
            await recording_runs.cancel(conn, recording.id)
        else:
            reason = "processing was given up: it did not come to an end"
            await recordings.fail(conn, recording.id, error=reason, now_ms=now_ms, run=recording.run)
        now = await recordings.by_id(conn, recording.id)
        assert now is not None  # just changed
        found.append(now)
    return found


async def _order_left_over(conn: Conn, now_ms: int) -> int:
    hour = now_ms // _LEFT_OVER_MS
    count = 0
    left = [
        (recording, None)
        for recording in await recordings.deleted(conn, _AT_ONCE)
        if recording.deleted_at_ms is not None and recording.deleted_at_ms < now_ms - _LEFT_OVER_MS
    ]
    loose = [(recording, None) for recording in await recording_runs.with_loose_objects(conn, _AT_ONCE)]
    beside = [(recording, recording.node) for recording in await recording_runs.with_needless_journals(conn, _AT_ONCE)]
    for recording, node in (*left, *loose, *beside):
        order = remove_order(
            recording_id=recording.id, meeting_id=recording.meeting_id, now_ms=now_ms, node=node, again=hour
        )
        count += await jobs.enqueue(conn, order) == order.id
    return count
