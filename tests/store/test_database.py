"""One repository function, two engines, the same answers: transactions, errors, types, isolation, cancellation."""

from __future__ import annotations

import contextvars
from pathlib import Path
from typing import Any

import pytest
import trio
import trio.testing

from appliance.errors import UserError
from appliance.store.database import (
    Conn,
    Database,
    DatabaseError,
    ForeignKeyViolationError,
    UniqueViolationError,
)
from tests.support.databases import open_test_database

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="none")


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where an empty database is, on either engine."""
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("postgres_url")


async def _make_table(conn: Conn) -> None:
    await conn.execute(
        "CREATE TABLE things (id TEXT PRIMARY KEY, owner TEXT REFERENCES things (id), size BIGINT NOT NULL,"
        " good BOOLEAN, raw BYTEA, UNIQUE (owner, size))"
    )


async def _add(conn: Conn, name: str, size: int, owner: str | None = None) -> int:
    return await conn.execute("INSERT INTO things (id, size, owner) VALUES ($1, $2, $3)", name, size, owner)


async def _count(conn: Conn) -> int:
    return int(await conn.fetchval("SELECT COUNT(*) FROM things"))


async def test_rows_and_values_come_back_as_they_were(target: str | Path) -> None:
    async def write(conn: Conn) -> None:
        await conn.execute(
            "INSERT INTO things (id, size, good, raw) VALUES ($1, $2, $3, $4)", "a\U0001f600", 2**62, True, b"\x00\xff"
        )
        await conn.execute("INSERT INTO things (id, size, good) VALUES ($1, $2, $3)", "b", -1, False)

    async def read(conn: Conn) -> tuple[list[dict[str, Any]], dict[str, Any] | None, Any, Any, Any]:
        rows = [dict(row) for row in await conn.fetch("SELECT id, size, good, raw FROM things ORDER BY size DESC")]
        one = await conn.fetchrow("SELECT good FROM things WHERE good = $1", True)
        none = await conn.fetchrow("SELECT id FROM things WHERE id = $1", "zzz")
        twice = await conn.fetchval("SELECT id FROM things WHERE size < $1 AND size > -($1)", 100)
        return rows, dict(one) if one else None, none, await conn.fetchval("SELECT id FROM things WHERE size=5"), twice

    async with open_test_database(target, schema=False) as database:
        await database.run(_make_table)
        await database.run(write)
        for way in (database.read, database.run):
            rows, one, none, value, twice = await way(read)
            assert rows == [
                {"id": "a\U0001f600", "size": 2**62, "good": True, "raw": b"\x00\xff"},
                {"id": "b", "size": -1, "good": False, "raw": None},
            ]
            assert rows[0]["good"] is True
            assert (one, none, value, twice) == ({"good": True}, None, None, "b")


async def test_execute_says_how_many_rows_changed(target: str | Path) -> None:
    async def work(conn: Conn) -> list[int]:
        return [
            await _add(conn, "a", 1),
            await conn.execute("INSERT INTO things (id, size) VALUES ('b', 2), ('c', 3)"),
            await conn.execute("UPDATE things SET size = size + 10 WHERE size > $1", 1),
            await conn.execute("DELETE FROM things WHERE id = $1", "nobody"),
            await conn.execute("DELETE FROM things"),
        ]

    async with open_test_database(target, schema=False) as database:
        await database.run(_make_table)
        assert await database.run(work) == [1, 2, 2, 0, 3]


async def test_returning_counts_up(target: str | Path) -> None:
    async def work(conn: Conn) -> int:
        return int(await conn.fetchval("UPDATE things SET size = size + 1 WHERE id = $1 RETURNING size", "a"))

    async with open_test_database(target, schema=False) as database:
        await database.run(_make_table)
        await database.run(_add, "a", 0)
        numbers: list[int] = []

        async def caller() -> None:
            numbers.append(await database.run(work))

        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(caller)
        assert sorted(numbers) == list(range(1, 21))


async def test_an_error_undoes_the_whole_transaction(target: str | Path) -> None:
    async def work(conn: Conn) -> None:
        await _add(conn, "a", 1)
        raise LookupError("changed my mind")

    async with open_test_database(target, schema=False) as database:
        await database.run(_make_table)
        with pytest.raises(LookupError, match="changed my mind"):
            await database.run(work)
        assert await database.read(_count) == 0


async def test_a_failure_undoes_nobody_elses_transaction(target: str | Path) -> None:
    async def work(conn: Conn, number: int) -> None:
        await _add(conn, f"n{number}", number)
        if number % 2:
            raise LookupError

    async with open_test_database(target, schema=False) as database:
        await database.run(_make_table)

        async def caller(number: int) -> None:
            if number % 2:
                with pytest.raises(LookupError):
                    await database.run(work, number)
            else:
                await database.run(work, number)

        async with trio.open_nursery() as nursery:
            for number in range(40):
                nursery.start_soon(caller, number)
        assert await database.read(_count) == 20
        assert database.statistics()["failures"] == 20


async def test_unique_and_foreign_keys_have_names(target: str | Path) -> None:
    async with open_test_database(target, schema=False) as database:
        await database.run(_make_table)
        await database.run(_add, "a", 1)
        with pytest.raises(UniqueViolationError) as caught:
            await database.run(_add, "a", 2)
        assert (caught.value.table, caught.value.columns) == ("things", ("id",))
        await database.run(_add, "b", 1, "a")
        with pytest.raises(UniqueViolationError) as caught:
            await database.run(_add, "c", 1, "a")
        assert caught.value.columns == ("owner", "size")
        with pytest.raises(ForeignKeyViolationError):
            await database.run(_add, "d", 1, "nobody")
        assert await database.read(_count) == 2


async def test_after_an_error_the_transaction_is_over(target: str | Path) -> None:
    async def goes_on(conn: Conn) -> None:
        with pytest.raises(UniqueViolationError):
            await _add(conn, "a", 1)
        await _count(conn)

    async def swallows(conn: Conn) -> str:
        with pytest.raises(UniqueViolationError):
            await _add(conn, "a", 1)
        return "fine"

    async with open_test_database(target, schema=False) as database:
        await database.run(_make_table)
        await database.run(_add, "a", 1)
        for work in (goes_on, swallows):
            with pytest.raises(DatabaseError):
                await database.run(work)


async def test_wrong_sql_is_an_error_and_the_database_goes_on(target: str | Path) -> None:
    async def wrong(conn: Conn) -> None:
        await conn.execute("INSERT INTO nowhere VALUES (1)")

    async with open_test_database(target, schema=False) as database:
        with pytest.raises(DatabaseError, match="nowhere"):
            await database.run(wrong)
        await database.run(_make_table)


async def test_a_reader_cannot_write(target: str | Path) -> None:
    async with open_test_database(target, schema=False) as database:
        await database.run(_make_table)
        with pytest.raises(DatabaseError):
            await database.read(_add, "a", 1)
        assert await database.read(_count) == 0


@pytest.mark.parametrize("text", ["nul\x00", "half \ud83d surrogate"])
async def test_texts_that_one_engine_cannot_keep_are_refused_by_both(target: str | Path, text: str) -> None:
    async with open_test_database(target, schema=False) as database:
        await database.run(_make_table)
        with pytest.raises(UserError) as caught:
            await database.run(_add, text, 1)
        assert (caught.value.status, caught.value.code) == (400, "invalid_text")


async def test_check_then_write_is_safe(target: str | Path) -> None:
    """Twenty people want five places; each looks first. Serializable isolation lets exactly five in."""

    async def join(conn: Conn, name: str) -> bool:
        if await _count(conn) >= 5:
            return False
        await _add(conn, name, 1)
        return True

    async with open_test_database(target, schema=False) as database:
        await database.run(_make_table)
        joined: list[bool] = []

        async def caller(number: int) -> None:
            joined.append(await database.run(join, f"p{number}"))

        async with trio.open_nursery() as nursery:
            for number in range(20):
                nursery.start_soon(caller, number)
        assert sum(joined) == 5
        assert await database.read(_count) == 5


async def test_context_variables_reach_the_repository(target: str | Path) -> None:
    async def work(_conn: Conn) -> str:
        return request_id.get()

    async with open_test_database(target, schema=False) as database:
        request_id.set("req_7")
        assert await database.run(work) == "req_7"
        assert await database.read(work) == "req_7"


async def test_a_cancelled_caller_leaves_nothing_half_done(target: str | Path) -> None:
    async def work(conn: Conn, name: str) -> None:
        await _add(conn, name, 1)

    async with open_test_database(target, schema=False) as database:
        await database.run(_make_table)
        with trio.CancelScope() as scope:
            scope.cancel()
            await database.run(work, "never")
        async with trio.open_nursery() as nursery:
            for number in range(50):
                nursery.start_soon(database.run, work, f"maybe{number}")
            await trio.testing.wait_all_tasks_blocked()
            nursery.cancel_scope.cancel()
        await database.run(work, "after")
        assert 1 <= await database.read(_count) <= 51
        assert await database.read(_exists, "after")
        assert not await database.read(_exists, "never")


async def _exists(conn: Conn, name: str) -> bool:
    return bool(await conn.fetchval("SELECT COUNT(*) FROM things WHERE id = $1", name))


async def test_statistics_are_numbers(target: str | Path) -> None:
    async with open_test_database(target, schema=False) as database:
        await database.run(_make_table)
        _check_statistics(database)


def _check_statistics(database: Database) -> None:
    statistics = database.statistics()
    assert statistics["connections"] >= 1
    assert 0 <= statistics["connections_idle"] <= statistics["connections"]
    assert statistics["transactions"] == 1
    assert (statistics["queued"], statistics["failures"]) == (0, 0)
