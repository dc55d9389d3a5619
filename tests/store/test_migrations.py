"""The schema comes up to date once, whole or not at all, on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from appliance.errors import ConfigError
from appliance.store import meetings, recording_shares
from appliance.store.database import Conn, DatabaseError
from appliance.store.migrations import Migration, applied, load_migrations, migrate, split_statements
from tests.support.databases import open_test_database

FIRST = Migration(1, "first", ("CREATE TABLE a (id TEXT PRIMARY KEY)",))
SECOND = Migration(2, "second", ("CREATE TABLE b (id TEXT PRIMARY KEY)", "INSERT INTO a (id) VALUES ('x')"))
BROKEN = Migration(2, "broken", ("CREATE TABLE c (id TEXT PRIMARY KEY)", "INSERT INTO nowhere VALUES (1)"))


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where an empty database is, on either engine."""
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("postgres_url")


async def _applied(conn: Conn) -> list[tuple[int, str]]:
    rows = await conn.fetch("SELECT number, name FROM schema_migrations ORDER BY number")
    return [(row["number"], row["name"]) for row in rows]


async def _rows_of_a(conn: Conn) -> int:
    return int(await conn.fetchval("SELECT COUNT(*) FROM a"))


async def test_each_step_is_applied_once(target: str | Path) -> None:
    async with open_test_database(target, schema=False) as database:
        assert await migrate(database, (FIRST,)) == 1
        assert await migrate(database, (FIRST, SECOND)) == 2
        assert await migrate(database, (FIRST, SECOND)) == 2
        assert await database.read(_applied) == [(1, "first"), (2, "second")]
        assert await database.read(_rows_of_a) == 1


async def test_a_step_has_parts_for_one_engine(target: str | Path) -> None:
    own = Migration(2, "own", (), sqlite=("INSERT INTO a VALUES ('s')",), postgresql=("INSERT INTO a VALUES ('p')",))
    async with open_test_database(target, schema=False) as database:
        await migrate(database, (FIRST, own))

        async def read(conn: Conn) -> str:
            return str(await conn.fetchval("SELECT id FROM a"))

        assert await database.read(read) == database.dialect[0]


def test_the_parts_of_a_step_are_one_step() -> None:
    step = next(step for step in load_migrations() if step.name == "transcript_search")
    assert step.statements and step.sqlite and step.postgresql
    assert step.statements_for("sqlite") == step.statements + step.sqlite


async def test_a_step_that_fails_leaves_nothing(target: str | Path) -> None:
    async def make_c(conn: Conn) -> None:
        await conn.execute("CREATE TABLE c (id TEXT PRIMARY KEY)")

    async with open_test_database(target, schema=False) as database:
        await migrate(database, (FIRST,))
        with pytest.raises(DatabaseError, match="nowhere"):
            await migrate(database, (FIRST, BROKEN))
        assert await database.read(_applied) == [(1, "first")]
        await database.run(make_c)  # was rolled back


async def test_a_newer_schema_is_refused(target: str | Path) -> None:
    async with open_test_database(target, schema=False) as database:
        await migrate(database, (FIRST, SECOND))
        with pytest.raises(ConfigError, match="number 2, made by a newer parley; this one knows up to 1"):
            await migrate(database, (FIRST,))


async def test_two_servers_that_start_at_once(target: str | Path) -> None:
    async with (
        open_test_database(target, schema=False) as one,
        open_test_database(target, schema=False) as other,
        trio.open_nursery() as nursery,
    ):
        for database in (one, other, one, other):
            nursery.start_soon(migrate, database, (FIRST, SECOND))
    async with open_test_database(target, schema=False) as database:
        assert await database.read(_applied) == [(1, "first"), (2, "second")]


async def test_the_products_schema_is_applied(target: str | Path) -> None:
    async with open_test_database(target) as database:
        there = await database.read(_applied)
    assert there == [(migration.number, migration.name) for migration in load_migrations()]
    assert there[0] == (1, "accounts_and_meetings")


async def _old_link(conn: Conn) -> None:
    """A meeting, a recording and a link as schema 13 had them."""
    await conn.execute(
        "INSERT INTO meetings (id, code, title, description, status, created_at_ms, updated_at_ms, max_participants,"
        " guests_allowed, locked) VALUES ('mtg_a', 'aaa-bbbb-ccc', 'A', '', 'scheduled', 1, 1, 9, TRUE, FALSE)"
    )
    await conn.execute(
        "INSERT INTO recordings (id, meeting_id, title, status, layout, started_at_ms, recovered, tracks, chapters,"
        " node, has_journals, run)"
        " VALUES ('rec_a', 'mtg_a', 'A', 'ready', 'grid', 1, FALSE, '[]', '[]', 'node_a', FALSE, 1)"
    )
    await conn.execute(
        "INSERT INTO recording_shares (token_hash, recording_id, created_at_ms, expires_at_ms)"
        " VALUES ($1, 'rec_a', 1, 9)",
        recording_shares.token_hash("old"),
    )


async def test_who_could_download_before_there_was_a_rule_still_can(target: str | Path) -> None:
    async def wrong(conn: Conn) -> None:
        await conn.execute("UPDATE meetings SET recording_download = 'nobody'")

    async with open_test_database(target, schema=False) as database:
        await migrate(database, load_migrations()[:13])
        await database.run(_old_link)
        await migrate(database)
        meeting = await database.read(meetings.find, "mtg_a")
        assert meeting is not None and meeting.recording_download == "everyone"
        link = await database.read(recording_shares.find, "old", 1)
        assert link is not None and link.download is True
        with pytest.raises(DatabaseError):
            await database.run(wrong)


def test_scripts_are_split_where_statements_end() -> None:
    script = "-- first; not yet\n\nCREATE TABLE a (\n  b TEXT -- c;\n);\nINSERT INTO a VALUES ('x;y');\n-- the end\n"
    assert split_statements(script) == [
        "CREATE TABLE a (\n  b TEXT -- c;\n);",
        "INSERT INTO a VALUES ('x;y');",
    ]
    with pytest.raises(RuntimeError, match="without its semicolon: 'SELECT 1'"):
        split_statements("SELECT 1\n")


async def test_the_number_is_read_without_a_change(target: str | Path) -> None:
    async def later(conn: Conn) -> None:
        await conn.execute("INSERT INTO schema_migrations (number, name, applied_at_ms) VALUES (999, 'later', 1)")

    async with open_test_database(target, schema=False) as database:
        assert await applied(database) == 0
        assert await applied(database) == 0  # no table was made
        await migrate(database, load_migrations()[:2])
        assert await applied(database) == 2
        await database.run(later)
        with pytest.raises(ConfigError, match="number 999, made by a newer parley"):
            await applied(database)
