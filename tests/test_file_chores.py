"""What is left behind goes away by itself, and nothing else does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from appliance.file_chores import FORGET_MEDIA, FORGET_UNFINISHED, add_file_chores, forget_media
from appliance.files.folder import FolderStorage, open_folder_storage
from appliance.files.s3 import open_s3_storage
from appliance.files.staging import Staging, open_staging
from appliance.jobs.registry import Registry
from appliance.store import media_files, media_uploads, users
from appliance.store.database import Conn, Database
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database
from tests.support.queued_jobs import now_ms, working
from tests.support.s3_server import running_s3

OLD, NEW, KILLED, DONE, LOST = (f"med_{letter * 20}" for letter in "abcde")


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where an empty database is, on either engine."""
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("postgres_url")


@asynccontextmanager
async def opened(target: str | Path, folder: Path) -> AsyncIterator[tuple[Database, FolderStorage, Staging]]:
    async with (
        open_test_database(target) as database,
        open_folder_storage(folder / "files") as files,
        open_staging(folder / "uploads") as staging,
    ):
        await database.run(users.insert, rows.user("ann"))
        yield database, files, staging


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.rglob("*") if path.is_file()}


async def test_uploads_that_are_over(target: str | Path, tmp_path: Path) -> None:
    async with opened(target, tmp_path) as (database, files, staging):
        for ident, expires_at_ms in ((OLD, 100), (NEW, 101), (KILLED, 100), (DONE, 100)):
            upload = rows.media_upload(ident[4:], "usr_ann", expires_at_ms=expires_at_ms)
            await database.run(media_uploads.insert, upload)
        for ident in (OLD, NEW, LOST):
            async with staging.open(ident, create=True) as file:
                await file.append(b"some")
        # Killed between storing and saying so; and, once, after it.
        await database.run(media_files.insert, rows.media_file(DONE[4:], "usr_ann"))
        for ident in (KILLED, DONE):
            await files.write(f"media/{ident}", b"x")
            await files.write(f"thumbnails/{ident}.webp", b"x")
        async with staging.hold(OLD):
            assert await forget_media(database, files, staging, 100) == 3
        assert names(tmp_path / "uploads") == {OLD, NEW}  # somebody works on one, the other has time
        assert names(tmp_path / "files") == {DONE, f"{DONE}.webp"}
        assert await forget_media(database, files, staging, 100) == 1
        assert names(tmp_path / "uploads") == {NEW}
        assert await forget_media(database, files, staging, 100) == 0
        assert await database.read(media_uploads.by_id, NEW) is not None


async def test_files_of_deleted_accounts(target: str | Path, tmp_path: Path) -> None:
    async with opened(target, tmp_path) as (database, files, staging):
        await database.run(users.insert, rows.user("bob"))
        for ident, owner in (("a" * 20, "usr_ann"), ("b" * 20, "usr_bob")):
            await database.run(media_files.insert, rows.media_file(ident, owner))
            await files.write(f"media/med_{ident}", b"x")
            await files.write(f"thumbnails/med_{ident}.webp", b"x")
        await database.run(users.delete, "usr_ann")
        assert await forget_media(database, files, staging, 100) == 1
        assert names(tmp_path / "files") == {NEW, f"{NEW}.webp"}
        assert await database.read(media_files.by_id, OLD) is None


async def _all_due(conn: Conn) -> int:
    return await conn.execute("UPDATE job_schedules SET next_at_ms = 0")


@pytest.mark.slow
async def test_the_jobs_recur(tmp_path: Path) -> None:
    with running_s3() as s3:
        async with (
            open_s3_storage(s3.settings()) as files,
            open_test_database(tmp_path) as database,
            open_staging(tmp_path / "uploads") as staging,
        ):

            def fill(registry: Registry) -> None:
                add_file_chores(registry, database, files, staging, now_ms=now_ms)

            await files.request("create_multipart_upload", Key="parley/recordings/a.mp4")
            async with working(database, fill):
                pass  # writes the schedules down
            await database.run(_all_due)
            async with working(database, fill) as shop:
                while shop.tally.outcomes.total() < 2:  # noqa: ASYNC110  # as test_chores
                    await trio.sleep(0.01)
            assert shop.tally.outcomes == {(FORGET_UNFINISHED.name, "done"): 1, (FORGET_MEDIA.name, "done"): 1}
        assert s3.unfinished() == {}
