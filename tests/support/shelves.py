"""A node's shelf of recordings for tests: real database, storage, folders and queue."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from appliance.files.folder import open_folder_storage
from appliance.jobs.recording_orders import process_order
from appliance.jobs.registry import Registry
from appliance.recordings.ahead import add_ahead
from appliance.recordings.processing import Compose, add_processing
from appliance.recordings.removal import add_removal
from appliance.recordings.retention import add_retention
from appliance.recordings.shelf import Shelf
from appliance.settings import RecordingSettings
from appliance.store import jobs, meetings, recordings, users
from appliance.store.database import Conn, Database
from appliance.store.jobs import Job
from appliance.store.recordings import Recording
from tests.support import compose_double, short_films, stored_rows
from tests.support.databases import open_test_database
from tests.support.queued_jobs import now_ms, working
from tests.support.waiting import until

NODE = "node_a"


@dataclass
class House:
    """One node; its compositions make no film unless a test says so."""

    shelf: Shelf
    settings: RecordingSettings = field(default_factory=RecordingSettings)
    told: list[Recording] = field(default_factory=list)
    compose: Compose = compose_double.compose

    @property
    def database(self) -> Database:
        return self.shelf.database

    def fill(self, registry: Registry) -> None:
        """Bind everything."""
        add_processing(
            registry,
            self.shelf,
            self.settings,
            at_once=1,
            told=self.told.append,
            compose=self.compose,
            retry_s=0.01,
        )
        add_ahead(
            registry,
            self.shelf,
            self.settings,
            told=self.told.append,
            compose=short_films.compose_ahead,
            retry_s=0.01,
        )
        add_removal(registry, self.shelf)
        add_retention(registry, self.shelf, self.settings, told=self.told.append)

    def open(self, **fields: Any) -> Any:
        """Its queue at work, as a context."""
        return working(self.database, self.fill, node=self.shelf.node, **fields)

    async def record(
        self, ident: str, script: str = "", *, at_ms: int = 1000, order: bool = True, **fields: Any
    ) -> str:
        """A recording that has ended, its folder, and the order for its files; its id."""
        folder = self.shelf.folder(f"rec_{ident}")
        folder.mkdir(parents=True)
        (folder / "manifest.json").write_text("{}")
        (folder / "a.journal").write_bytes(b"x" * 98)
        if script:
            (folder / "script").write_text(script)
        new = stored_rows.recording(ident, "mtg_one", **{"node": NODE, "started_at_ms": at_ms, **fields})
        await self.database.run(stop_and_order, new, at_ms + 1000, order)
        return f"rec_{ident}"

    async def row(self, recording_id: str) -> Recording | None:
        return await self.database.read(recordings.by_id, recording_id)

    async def row_in(self, recording_id: str, *statuses: str) -> Recording | None:
        """The row, if it has one of these states."""
        found = await self.row(recording_id)
        return found if found is not None and found.status in statuses else None

    async def wait_status(self, recording_id: str, *statuses: str) -> Recording:
        found: Recording = await until(lambda: self.row_in(recording_id, *statuses))
        return found

    async def job(self, type: str, key: str) -> Job:
        found = await self.database.read(jobs.by_key, type, key)
        assert found is not None
        return found

    async def wait_job(self, type: str, key: str, *states: str) -> Job:
        async def look() -> Job | None:
            found = await self.database.read(jobs.by_key, type, key)
            return found if found is not None and found.state in states else None

        found: Job = await until(look)
        return found

    async def objects(self) -> set[str]:
        """Names in the storage."""
        root = self.shelf.root.parent / "files" / "recordings"
        return {path.name for path in root.iterdir()} if root.exists() else set()


async def stop_and_order(conn: Conn, new: recordings.NewRecording, stopped_at_ms: int, order: bool) -> None:
    """The rows of a recording that has ended."""
    await recordings.start(conn, new)
    assert await recordings.stop(conn, new.id, reason="asked", recovered=False, now_ms=stopped_at_ms)
    if order:
        await jobs.enqueue(
            conn, process_order(recording_id=new.id, meeting_id=new.meeting_id, node=new.node, now_ms=now_ms())
        )


async def _meeting(conn: Conn) -> None:
    await users.insert(conn, stored_rows.user("ann"))
    await meetings.insert(conn, stored_rows.meeting("one", "usr_ann"))


@asynccontextmanager
async def open_house(tmp_path: Path, target: str | Path, **settings: Any) -> AsyncIterator[House]:
    """A node with a meeting ``mtg_one``; ``target``: where its database is."""
    async with (
        open_test_database(target) as database,
        open_folder_storage(tmp_path / "files") as files,
    ):
        await database.run(_meeting)
        shelf = Shelf(
            database=database, files=files, root=tmp_path / "recordings", node=NODE, now_ms=now_ms
        )
        yield House(shelf, RecordingSettings(**settings))
