"""The job that removes what nobody is to see any more: a deleted recording's objects, journals and row.

Owns the order: first what people could see, last the row, which knows what is still to go. Of a recording that stays it
removes what nobody needs, should the processing have been interrupted before that: the objects of runs that are over,
and the journals once the files are stored.
"""

from __future__ import annotations

import msgspec
import structlog

from appliance.jobs.places import JobContext
from appliance.jobs.recording_orders import (
    RECORDING_PROCESS,
    RECORDING_REMOVE,
    Removal,
    process_key,
    remove_order,
)
from appliance.jobs.registry import Registry
from appliance.recordings.ahead import end_ahead
from appliance.recordings.shelf import Shelf
from appliance.store import jobs, recordings
from appliance.store.recordings import Recording

_log = structlog.get_logger(__name__)


def add_removal(registry: Registry, shelf: Shelf) -> None:
    """Bind `RECORDING_REMOVE`."""

    async def remove(_context: JobContext, payload: Removal) -> str:
        recording = await shelf.database.read(recordings.by_id, payload.recording_id)
        if recording is None:
            return "gone already"
        if recording.deleted_at_ms is not None:
            return await _remove(shelf, recording)
        await _remove_loose(shelf, recording)
        if recording.status == "ready":
            return "journals removed" if await shelf.remove_journals(recording) else "another node's"
        return "still wanted"

    registry.task(RECORDING_REMOVE, remove)


async def _remove(shelf: Shelf, recording: Recording) -> str:
    await _wait_not_processed(shelf, recording)
    await shelf.remove_objects(recording.keys)
    if not await shelf.remove_journals(recording):
        order = remove_order(
            recording_id=recording.id,
            meeting_id=recording.meeting_id,
            now_ms=shelf.now_ms(),
            node=recording.node,
            again=shelf.now_ms() // 3_600_000,  # another try for each that `retention` makes
        )
        await shelf.database.run(jobs.enqueue, order)
        return f"journals left to {recording.node}"
    await shelf.database.run(recordings.purge, recording.id)
    _log.info("recording_removed", recording=recording.id, bytes=recording.bytes)
    return "removed"


async def _remove_loose(shelf: Shelf, before: Recording) -> None:
    """Delete what a run left that is over. Only what was loose before nobody processed it, and is so after: else these
    may be objects that were made the film's, or that another run stores."""
    if not before.loose_keys:
        return
    await _wait_not_processed(shelf, before)
    after = await shelf.database.read(recordings.by_id, before.id)
    if after is not None and after.status != "processing":
        both = tuple(key for key in after.loose_keys if key in before.loose_keys)
        await shelf.remove_loose(msgspec.structs.replace(after, loose_keys=both))


async def _wait_not_processed(shelf: Shelf, recording: Recording) -> None:
    """Its worker process would write into the folder that is being removed. The job's deadline bounds this."""
    await end_ahead(shelf, recording.id)
    await shelf.wait_not_running(RECORDING_PROCESS.name, process_key(recording.id, recording.run))
