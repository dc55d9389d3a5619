"""What processing does to the rows of `store.recordings`: a run begins, goes on, ends.

Owns the statements; each counts for the run that it names only, so that what an older one has to say changes nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

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


async def announce(conn: Conn, recording_id: str, run: int, keys: Sequence[str]) -> bool:
    """Whether the run goes on; the names under which it is about to store objects, so that whatever happens next,
    somebody knows them (`Recording.loose_keys`)."""
    found = await by_id(conn, recording_id)
    if found is None or not _goes_on(found, run):
        return False
    await _set_loose(conn, recording_id, [*found.loose_keys, *keys])
    return True


async def set_ready(conn: Conn, recording_id: str, run: int, outputs: Outputs, now_ms: int) -> bool:
    """Whether this call made it playable: the objects were announced and are stored. Told as `RecordingProcessed`.

    From here on people are led to these objects; what else was announced, as by a run that was killed, stays loose.
    """
    before = await by_id(conn, recording_id)
    if before is None or not _goes_on(before, run) or not set(outputs.keys) <= set(before.loose_keys):
        return False
    await conn.execute(
        "UPDATE recordings SET status = 'ready', progress = NULL, error = NULL, duration_ms = $2, bytes = $3,"
        " video_key = $4, video_type = $5, thumbnail_key = $6, captions_key = $7, tracks = $8, chapters = $9"
        " WHERE id = $1",
        recording_id,
        outputs.duration_ms,
        outputs.bytes,
        outputs.video_key,
        outputs.video_type,
        outputs.thumbnail_key,
        outputs.captions_key,
        msgspec.json.encode(outputs.tracks).decode(),
        msgspec.json.encode(outputs.chapters).decode(),
    )
    await _set_loose(conn, recording_id, [key for key in before.loose_keys if key not in outputs.keys])
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


def _goes_on(recording: Recording, run: int) -> bool:
    return recording.run == run and recording.status == "processing" and recording.deleted_at_ms is None


async def forget_loose(conn: Conn, recording_id: str, keys: Collection[str]) -> None:
    """These loose objects are gone."""
    found = await by_id(conn, recording_id)
    if found is not None:
        await _set_loose(conn, recording_id, [key for key in found.loose_keys if key not in keys])


async def _set_loose(conn: Conn, recording_id: str, keys: Sequence[str]) -> None:
    encoded = msgspec.json.encode(keys).decode()
    await conn.execute("UPDATE recordings SET loose_keys = $2 WHERE id = $1", recording_id, encoded)


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
    return await _some(conn, "status = 'ready' AND has_journals", limit)


async def with_loose_objects(conn: Conn, limit: int) -> list[Recording]:
    """At most ``limit`` recordings that are not being processed and have loose objects all the same."""
    return await _some(conn, "status IN ('ready', 'failed', 'cancelled') AND loose_keys <> '[]'", limit)


async def _some(conn: Conn, condition: str, limit: int) -> list[Recording]:
    rows = await conn.fetch(
        f"SELECT {COLUMNS} FROM recordings WHERE {condition} AND deleted_at_ms IS NULL"
        " ORDER BY started_at_ms, id LIMIT $1",
        limit,
    )
    return [filled(row) for row in rows]
