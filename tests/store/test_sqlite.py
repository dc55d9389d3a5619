"""SQLite as we set it up: durable, whole after a kill, shared with another process, grouped commits."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import trio

from appliance.errors import ConfigError
from appliance.settings import DatabaseSettings
from appliance.store.database import SQLITE_FILE, Conn, Database, DatabaseError, DatabaseUnavailableError
from appliance.store.sqlite import open_sqlite

WRITER = """
import sys, trio
from pathlib import Path
from appliance.settings import DatabaseSettings
from appliance.store.sqlite import open_sqlite

async def add(conn, number):
    await conn.execute("INSERT INTO pairs (number) VALUES ($1)", number)
    await conn.execute("INSERT INTO pairs (number) VALUES ($1)", -number)

async def main():
    async with open_sqlite(DatabaseSettings(), Path(sys.argv[1])) as database:
        number = 0
        while True:
            number += 1
            await database.run(add, number)
            print(number, flush=True)

trio.run(main)
"""


async def _make_table(conn: Conn) -> None:
    await conn.execute("CREATE TABLE pairs (number BIGINT PRIMARY KEY)")


async def _add(conn: Conn, number: int) -> None:
    await conn.execute("INSERT INTO pairs (number) VALUES ($1)", number)


async def _pragma(conn: Conn, name: str) -> object:
    return await conn.fetchval(f"PRAGMA {name}")


@pytest.mark.parametrize(("synchronous", "number"), [("normal", 1), ("full", 2)])
async def test_pragmas_are_set(tmp_path: Path, synchronous: str, number: int) -> None:
    settings = DatabaseSettings(synchronous=synchronous)  # type: ignore[arg-type]
    async with open_sqlite(settings, tmp_path / "x.db") as database:
        for way in (database.run, database.read):
            assert await way(_pragma, "journal_mode") == "wal"
            assert await way(_pragma, "synchronous") == number
            assert await way(_pragma, "foreign_keys") == 1
        assert await database.read(_pragma, "query_only") == 1


@pytest.mark.slow
def test_a_killed_process_loses_nothing_that_was_committed(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as raw:
        raw.execute("CREATE TABLE pairs (number BIGINT PRIMARY KEY)")
    raw.close()
    process = subprocess.Popen([sys.executable, "-c", WRITER, path], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout:
        for line in process.stdout:
            if line.strip() == "200":
                break
        process.send_signal(signal.SIGKILL)
        told = ["200", *process.stdout.read().split()]
    assert process.wait(10) == -signal.SIGKILL
    raw = sqlite3.connect(path)
    numbers = {number for (number,) in raw.execute("SELECT number FROM pairs")}
    assert raw.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    raw.close()
    assert {int(number) for number in told} <= numbers
    assert {-number for number in numbers} == numbers  # each transaction whole or not at all
    assert max(numbers) <= int(told[-1]) + 1


async def test_waiting_transactions_share_a_commit(tmp_path: Path) -> None:
    async with open_sqlite(DatabaseSettings(), tmp_path / "x.db") as database:
        await database.run(_make_table)
        before = database.statistics()
        async with trio.open_nursery() as nursery:
            for number in range(200):
                nursery.start_soon(database.run, _add, number)
        after = database.statistics()
    assert after["transactions"] - before["transactions"] == 200
    assert after["commits"] - before["commits"] < 50


async def test_another_process_may_write_meanwhile(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    async with open_sqlite(DatabaseSettings(busy_timeout_s=0.05), path) as database:
        await database.run(_make_table)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        other.execute("INSERT INTO pairs VALUES (7)")
        with pytest.raises(DatabaseUnavailableError, match="locked"):
            await database.run(_add, 8)
        assert await database.read(_count) == 0  # readers wait for nobody
        other.execute("COMMIT")
        other.close()
        await database.run(_add, 8)
        assert await database.read(_count) == 2


async def _count(conn: Conn) -> int:
    return int(await conn.fetchval("SELECT COUNT(*) FROM pairs"))


async def test_a_function_that_awaits_anything_else_is_told(tmp_path: Path) -> None:
    async def waits(conn: Conn) -> None:
        await _add(conn, 1)
        await _Suspended()

    async with open_sqlite(DatabaseSettings(), tmp_path / "x.db") as database:
        await database.run(_make_table)
        with pytest.raises(RuntimeError, match="other than its connection"):
            await database.run(waits)
        assert await database.read(_count) == 0


class _Suspended:
    """Something to await that does not end at once."""

    def __await__(self):  # type: ignore[no-untyped-def]
        yield


async def test_the_files_are_whole_after_closing(tmp_path: Path) -> None:
    async with open_sqlite(DatabaseSettings(), tmp_path / "x.db") as database:
        await database.run(_make_table)
        await database.run(_add, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["x.db"]  # the log was copied into it


@pytest.mark.parametrize("kind", ["missing", "folder", "garbage"])
async def test_a_file_that_cannot_be_used_is_a_config_error(tmp_path: Path, kind: str) -> None:
    path = tmp_path / SQLITE_FILE
    if kind == "missing":
        path = tmp_path / "none" / SQLITE_FILE
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes(b"this is not a database, it only looks like a file" * 100)
    with pytest.raises(ConfigError, match=f"^database: .*{SQLITE_FILE}"):
        async with open_sqlite(DatabaseSettings(), path):
            raise AssertionError("opened")


async def test_a_full_disk_is_an_outage_and_passes(tmp_path: Path) -> None:
    async def limit(conn: Conn, pages: int) -> None:
        await conn.fetchval(f"PRAGMA max_page_count = {pages}")

    async def fill(conn: Conn) -> None:
        await conn.execute("INSERT INTO blobs VALUES ($1)", b"x" * 1_000_000)

    async def make(conn: Conn) -> None:
        await conn.execute("CREATE TABLE blobs (raw BYTEA)")

    async with open_sqlite(DatabaseSettings(), tmp_path / "x.db") as database:
        await database.run(make)
        await database.run(limit, 10)
        with pytest.raises(DatabaseUnavailableError, match="full"):
            await database.run(fill)
        await _still_works(database)


async def _still_works(database: Database) -> None:
    await database.run(_make_table)
    await database.run(_add, 1)
    with pytest.raises(DatabaseError):
        await database.run(_add, 1)
    assert await database.read(_count) == 1
