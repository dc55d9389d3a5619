"""What the recorder writes into the database, each in one transaction: a recording begins, and it ends.

Owns which orders go with the rows, and what a server does at its start with the rows that an earlier run left open.
Refuses to know meetings that run, and to write journals.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import structlog
import trio

from appliance.jobs.recording_orders import ahead_order, process_order
from appliance.recorder.manifest import Manifest
from appliance.recorder.recovery import RecoveryError, recover
from appliance.store import jobs, recordings
from appliance.store.database import Conn, Database, DatabaseError, DatabaseUnavailableError

_log = structlog.get_logger(__name__)


async def store_start(conn: Conn, new: recordings.NewRecording, live: bool, now_ms: int) -> None:
    """Repository function: a recording begins, and its film with it when that is made ``live``."""
    await recordings.start(conn, new)
    if live:
        order = ahead_order(recording_id=new.id, meeting_id=new.meeting_id, node=new.node, now_ms=now_ms)
        await jobs.enqueue(conn, order)


async def fail_start(conn: Conn, recording_id: str, reason: str, now_ms: int) -> None:
    """Repository function: a recording did not begin after all; nothing when its row was not stored."""
    await recordings.fail(conn, recording_id, error=f"it could not begin: {reason}", now_ms=now_ms)


async def store_end(conn: Conn, manifest: Manifest, node: str, now_ms: int) -> None:
    """Repository function: the recording is over, and files are to be made of its journals."""
    stopped = await recordings.stop(
        conn, manifest.recording_id, reason=manifest.reason, recovered=manifest.recovered, now_ms=now_ms
    )
    if stopped:
        order = process_order(
            recording_id=manifest.recording_id, meeting_id=manifest.meeting_id, node=node, now_ms=now_ms
        )
        await jobs.enqueue(conn, order)


async def recover_recordings(root: Path, database: Database, *, node: str, now_ms: Callable[[], int]) -> None:
    """Close what a killed server left open: journals are cut at their last good record, rows say ``recovered``.

    DatabaseUnavailableError; a row that the database refuses costs the others nothing.
    """
    for row in await database.read(recordings.open_of, node):
        try:
            manifest = await trio.to_thread.run_sync(recover, root / row.id)
        except (RecoveryError, OSError) as error:
            _log.error("recording_lost", recording=row.id, error=str(error))
            await database.run(recordings.fail, row.id, error=f"its journals cannot be read: {error}", now_ms=now_ms())
            continue
        try:
            await database.run(store_end, manifest, node, now_ms())
        except DatabaseUnavailableError:
            raise
        except DatabaseError as error:
            _log.error("recording_end_not_stored", recording=row.id, error=str(error))
            continue
        _log.warning("recording_recovered", recording=row.id, meeting=row.meeting_id, tracks=len(manifest.tracks))
