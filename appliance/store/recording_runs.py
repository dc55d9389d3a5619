"""What processing does to the rows of `store.recordings`: a run begins, goes on, ends.

Owns the statements; each counts for the run that it names only, so that what an older one has to say changes nothing.
"""

from __future__ import annotations

import msgspec

from appliance.events.catalogue import RecordingProcessed
from appliance.store.database import Conn
from appliance.store.recordings import COLUMNS, Layout, Outputs, Progress, Recording, by_id, filled, tell


async def process_again(conn: Conn, recording_id: str, *, layout: Layout | None) -> int | None:
    """The number of a new run of one that failed or was cancelled; None when it is not, or has no journals."""
    changed = await conn.execute(
        "UPDATE recordings SET status = 'processing', run = run + 1, error = NULL, progress = NULL,"
        " layout = COALESCE(CAST($2 AS TEXT), layout)"
        " WHERE id = $1 AND status IN ('failed', 'cancelled') AND has_journals AND deleted_at_ms IS NULL",
        recording_id,
        layout,
    )
    if not changed:
        return None
    return int(await conn.fetchval("SELECT run FROM recordings WHERE id = $1", recording_id))


async def begin_run(conn: Conn, recording_id: str, run: int, *, bytes: int) -> Recording | None:
    """The recording whose run begins, or begins again; None when this run is not wanted any more.

    One that failed is wanted if it comes again: an administrator has queued its dead job. One that was cancelled is
    not: its job may have begun in the same moment. ``bytes``: of its journals.
    """
    changed = await conn.execute(
        "UPDATE recordings SET status = 'processing', error = NULL, progress = NULL, bytes = $3 WHERE id = $1"
        " AND run = $2 AND status IN ('processing', 'failed') AND has_journals AND deleted_at_ms IS NULL",
        recording_id,
        run,
        bytes,
    )
    return await by_id(conn, recording_id) if changed else None


async def set_progress(conn: Conn, recording_id: str, run: int, progress: Progress) -> bool:
    """Whether the run goes on; how far it is."""
    sql = "UPDATE recordings SET progress = $3 WHERE id = $1 AND run = $2 AND status = 'processing'"
    return await conn.execute(sql, recording_id, run, msgspec.json.encode(progress).decode()) == 1


async def set_outputs(conn: Conn, recording_id: str, run: int, outputs: Outputs) -> bool:
    """Whether the run goes on; what is about to be stored, so that whatever happens next, its deletion knows it."""
    changed = await conn.execute(
        "UPDATE recordings SET duration_ms = $3, bytes = $4, video_key = $5, video_type = $6, thumbnail_key = $7,"
        " captions_key = $8, tracks = $9, chapters = $10 WHERE id = $1 AND run = $2 AND status = 'processing'"
        " AND deleted_at_ms IS NULL",
        recording_id,
        run,
        outputs.duration_ms,
        outputs.bytes,
        outputs.video_key,
        outputs.video_type,
        outputs.thumbnail_key,
        outputs.captions_key,
        msgspec.json.encode(outputs.tracks).decode(),
        msgspec.json.encode(outputs.chapters).decode(),
    )
    return changed == 1


async def set_ready(conn: Conn, recording_id: str, run: int, now_ms: int) -> bool:
    """Whether this call made it playable: its outputs are stored. Told as `RecordingProcessed`."""
    changed = await conn.execute(
        "UPDATE recordings SET status = 'ready', progress = NULL, error = NULL WHERE id = $1 AND run = $2"
        " AND status = 'processing' AND deleted_at_ms IS NULL",
        recording_id,
        run,
    )
    if not changed:
        return False
    found = await by_id(conn, recording_id)
    assert found is not None  # just changed
    event = RecordingProcessed(
        meeting_id=found.meeting_id,
        recording_id=found.id,
        duration_ms=found.duration_ms or 0,
        bytes=found.bytes or 0,
    )
    await tell(conn, event, f"evt_{found.id}_processed_{run}", now_ms)
    return True


async def cancel(conn: Conn, recording_id: str) -> bool:
    """Whether this call ended its processing; the caller cancels the job with it."""
    sql = "UPDATE recordings SET status = 'cancelled', progress = NULL WHERE id = $1 AND status = 'processing'"
    return await conn.execute(sql, recording_id) == 1


async def set_journals_gone(conn: Conn, recording_id: str) -> None:
    """Its journals were deleted: it cannot be processed again."""
    await conn.execute("UPDATE recordings SET has_journals = FALSE WHERE id = $1", recording_id)


async def processing(conn: Conn) -> list[Recording]:
    """All that are being processed, or are said to be, oldest first."""
    rows = await conn.fetch(
        f"SELECT {COLUMNS} FROM recordings WHERE status = 'processing' AND deleted_at_ms IS NULL"
        " ORDER BY started_at_ms, id"
    )
    return [filled(row) for row in rows]


async def with_needless_journals(conn: Conn, limit: int) -> list[Recording]:
    """At most ``limit`` recordings whose files are stored and whose journals are still there."""
    rows = await conn.fetch(
        f"SELECT {COLUMNS} FROM recordings WHERE status = 'ready' AND has_journals AND deleted_at_ms IS NULL"
        " ORDER BY started_at_ms, id LIMIT $1",
        limit,
    )
    return [filled(row) for row in rows]
