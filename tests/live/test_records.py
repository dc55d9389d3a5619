"""Rows are written in order and together; what the database refuses harms nobody else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.errors import UserError
from appliance.live import records as module
from appliance.live.records import Records
from appliance.store.database import Conn, DatabaseError, DatabaseUnavailableError
from tests.support.databases import open_test_database


async def _nothing(value: Any) -> None:
    pass


def note(text: str) -> Callable[[Conn], Awaitable[int]]:
    async def write(conn: Conn) -> int:
        return await conn.execute("INSERT INTO notes (text) VALUES ($1)", text)

    return write


async def _table(conn: Conn) -> None:
    await conn.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE)")


async def _texts(conn: Conn) -> list[str]:
    return [row["text"] for row in await conn.fetch("SELECT text FROM notes ORDER BY id")]


class Flaky:
    """The real database behind a connection that is away now and then."""

    def __init__(self, database: Any) -> None:
        self.database = database
        self.away = 0
        self.transactions = 0

    async def run(self, fn: Any, /, *args: Any) -> Any:
        if self.away:
            self.away -= 1
            await trio.lowlevel.checkpoint()
            raise DatabaseUnavailableError("away")
        self.transactions += 1
        return await self.database.run(fn, *args)


async def test_rows_are_written_in_order_many_in_one_transaction(tmp_path: Path) -> None:
    async with open_test_database(tmp_path, schema=False) as database:
        await database.run(_table)
        flaky = Flaky(database)
        records = Records(flaky)  # type: ignore[arg-type]
        done: list[int] = []

        async def on_done(result: int) -> None:
            done.append(result)

        for number in range(100):
            records.add("note", note(f"{number:03}"), on_done)
        records.close()
        await records.serve()
        assert await database.read(_texts) == [f"{number:03}" for number in range(100)]
        assert done == [1] * 100
        assert flaky.transactions == 2
        with pytest.raises(RuntimeError):
            records.add("note", note("late"))


async def test_a_refused_row_is_left_out_and_the_rest_is_stored(tmp_path: Path) -> None:
    async with open_test_database(tmp_path, schema=False) as database:
        await database.run(_table)
        records = Records(database)
        refused: list[str] = []

        async def on_failed(error: UserError) -> None:
            refused.append(error.code)

        for text in ("a", "b", "a", "c"):
            records.add_line(note(text), _nothing, on_failed)
        records.close()
        await records.serve()
        assert await database.read(_texts) == ["a", "b", "c"]
        assert refused == ["not_stored"]
        assert (records.written, records.refused) == (3, 1)


async def test_while_the_database_is_away_rows_wait_and_lines_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_RETRY_S", 0.01)
    async with open_test_database(tmp_path, schema=False) as database:
        await database.run(_table)
        flaky = Flaky(database)
        flaky.away = 3
        records = Records(flaky)  # type: ignore[arg-type]
        codes: list[str] = []

        async def on_failed(error: UserError) -> None:
            assert error.retry_after_s is not None
            codes.append(error.code)

        records.add("first", note("first"))
        records.add_line(note("line"), _nothing, on_failed)
        records.add("second", note("second"))
        records.close()
        await records.serve()
        assert await database.read(_texts) == ["first", "second"]
        assert codes == ["unavailable"]


async def test_lines_that_wait_are_bounded(tmp_path: Path) -> None:
    async with open_test_database(tmp_path, schema=False) as database:
        await database.run(_table)
        records = Records(database)
        with pytest.raises(UserError) as error:
            for number in range(1000):
                records.add_line(note(str(number)), _nothing, _nothing)
        assert error.value.code == "busy"
        records.close()
        await records.serve()
        assert len(await database.read(_texts)) == 256


async def test_a_cancelled_writer_leaves_nothing_half_done(tmp_path: Path) -> None:
    async with open_test_database(tmp_path, schema=False) as database:
        await database.run(_table)
        records = Records(database)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(records.serve)
            for number in range(200):
                records.add("note", note(f"{number:03}"))
            await trio.sleep(0.002)
            nursery.cancel_scope.cancel()
        records.close()
        await records.serve()
        assert await database.read(_texts) == [f"{number:03}" for number in range(200)]


def test_an_unavailable_database_is_a_database_error() -> None:
    assert issubclass(DatabaseUnavailableError, DatabaseError)
