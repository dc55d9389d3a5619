"""Where recordings lie: rows in the database, objects in the storage, journals on one node's disk.

Owns the journals' folder below the recordings' folder of this node, after the recorder has closed it: its size and its
end, and the wait for whoever writes into it. Refuses to know what is in it.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import trio

from appliance.files.storage import ObjectStorage
from appliance.recorder.writer import free_bytes
from appliance.store import jobs, recording_runs
from appliance.store.database import Database
from appliance.store.recordings import Recording

Told = Callable[[Recording], None]
"""Is told how far a recording is, and how it ended, by its row. Must not wait."""

OUT = "out"
"""Where a composition leaves files, in the recording's folder."""
# A worker process that was told to stop is killed within a turn of the queue.
_LOOK_EACH_S = 0.2
_NAME = re.compile(r"rec_[a-z0-9_]{1,64}")


@dataclass(frozen=True, kw_only=True)
class Shelf:
    """Of one node."""

    database: Database
    files: ObjectStorage
    root: Path
    """Holds a folder for each recording that is being made, or whose files are."""
    node: str
    now_ms: Callable[[], int]

    def folder(self, recording_id: str) -> Path:
        """The journals' folder; ValueError for what is no recording's id, whoever put it into the database."""
        if not _NAME.fullmatch(recording_id):
            raise ValueError(f"not a recording's id: {recording_id!r}")
        return self.root / recording_id

    async def journals_bytes(self, recording_id: str) -> int | None:
        """What the folder takes; None when there is none."""
        return await trio.to_thread.run_sync(_size, self.folder(recording_id))

    async def is_short(self, least_bytes: int) -> bool:
        """Whether less than this is free on the disk that holds the folders."""
        return await trio.to_thread.run_sync(free_bytes, self.root) < least_bytes

    async def remove_made(self, recording_id: str) -> None:
        """Delete what was made of the journals and is not stored yet: as large as they are, and soon made again. The
        film's segments stay, a fraction of that: they are what takes the time."""
        await trio.to_thread.run_sync(_remove, self.folder(recording_id) / OUT)

    async def wait_not_running(self, type: str, key: str) -> None:
        """Until a job's process is gone, which writes into a folder. Who waits bounds this."""
        while True:
            job = await self.database.read(jobs.by_key, type, key)
            if job is None or job.state != "running":
                return
            await trio.sleep(_LOOK_EACH_S)

    async def remove_objects(self, keys: list[str]) -> None:
        """Delete objects, those that are there."""
        for key in keys:
            await self.files.delete(key)

    async def remove_loose(self, recording: Recording) -> None:
        """Delete the objects that nobody was led to when the row was read."""
        if recording.loose_keys:
            await self.remove_objects(list(recording.loose_keys))
            await self.database.run(recording_runs.forget_loose, recording.id, recording.loose_keys)

    async def remove_journals(self, recording: Recording) -> bool:
        """Whether the journals are gone, now or already: they are another node's otherwise."""
        if recording.has_journals:
            if recording.node != self.node:
                return False
            await trio.to_thread.run_sync(_remove, self.folder(recording.id))
            await self.database.run(recording_runs.set_journals_gone, recording.id)
        return True


def _size(folder: Path) -> int | None:
    if not folder.is_dir() or folder.is_symlink():
        return None
    total = 0
    for parent, _, names in os.walk(folder):
        total += sum((Path(parent) / name).lstat().st_size for name in names)
    return total


def _remove(folder: Path) -> None:
    """Does not follow links. What vanishes meanwhile, as by the last act of a killed process, is no error."""
    while folder.exists():
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(folder)
