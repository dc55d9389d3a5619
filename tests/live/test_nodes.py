"""Several servers on one database: what a crash leaves is ended and told, and nobody touches what others hold."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.events.envelope import decode
from appliance.live import nodes
from appliance.live.idle import pause_idle_meetings
from appliance.store import meetings, participants
from appliance.store import nodes as rows_of_nodes
from appliance.store.database import Conn, Database, DatabaseUnavailableError
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database
from tests.support.waiting import until

HERE, THERE, GONE = "node_here", "node_there", "node_gone"


def now_ms() -> int:
    return 50_000


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where an empty database is, on either engine."""
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("postgres_url")


async def _meeting(conn: Conn, ident: str, node: str | None) -> None:
    await meetings.insert(conn, rows.meeting(ident, None))
    await meetings.activate(conn, f"mtg_{ident}", 5000)
    if node is not None:
        await meetings.hold(conn, f"mtg_{ident}", node)


async def _join(conn: Conn, ident: str, meeting: str, node: str | None, **fields: Any) -> None:
    await participants.insert(conn, rows.participant(ident, f"mtg_{meeting}", name=ident.title(), node=node, **fields))


async def _told(conn: Conn) -> list[tuple[str, str, str]]:
    found = await conn.fetch("SELECT envelope FROM events ORDER BY order_key, n")
    events = [decode(row["envelope"]).event for row in found]
    return [(event.event_type, event.order, getattr(event, "name", "")) for event in events]


async def _open(conn: Conn) -> set[str]:
    return {row["id"] for row in await conn.fetch("SELECT id FROM participants WHERE left_at_ms IS NULL")}


async def _status(database: Database, ident: str) -> str:
    found = await database.read(meetings.find, f"mtg_{ident}")
    assert found is not None
    return found.status


async def test_joins_that_a_crash_left_open_are_ended_at_the_next_start_and_told(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(_meeting, "one", HERE)
        await database.run(_meeting, "two", THERE)
        await database.run(rows_of_nodes.enter, HERE, "x", 1)  # the life that crashed
        await database.run(rows_of_nodes.enter, THERE, "y", 1)
        for ident, meeting, node in (("ann", "one", HERE), ("bob", "one", None), ("eve", "one", GONE)):
            await database.run(_join, ident, meeting, node)
        await database.run(partial(_join, user_id=None, left_at_ms=2000), "old", "one", HERE)
        await database.run(_join, "cyn", "two", THERE)
        await nodes.enter(database, HERE, "x", now_ms)
        alone = database.dialect == "sqlite"  # the other one was a data folder before this
        assert await database.read(_open) == (set() if alone else {"cyn"})
        told = [("meeting.user_left", "mtg_one", name) for name in ("Ann", "Bob", "Eve")]
        assert await database.read(_told) == told + ([("meeting.user_left", "mtg_two", "Cyn")] if alone else [])
        ann = await database.read(participants.by_id, "mtg_one", "ann")
        assert ann is not None and (ann.left_at_ms, ann.leave_reason) == (50_000, "lost")
        assert HERE in await database.read(rows_of_nodes.beats)
        assert await nodes.end_lost_joins(database, now_ms, unheld=True) == 0  # told once
        await nodes.leave(database, HERE)
        assert HERE not in await database.read(rows_of_nodes.beats)


async def test_thousands_are_ended_in_slices(tmp_path: Path) -> None:
    async def many(conn: Conn) -> None:
        for number in range(450):
            await _join(conn, f"p{number:03}", "one", GONE)

    async with open_test_database(tmp_path) as database:
        await database.run(_meeting, "one", GONE)
        await database.run(many)
        assert await nodes.end_lost_joins(database, now_ms, unheld=False) == 450
        assert len(await database.read(_told)) == 450 and await database.read(_open) == set()


async def test_meetings_of_others_are_left_alone(engine: str | Path) -> None:
    async with open_test_database(engine) as database, trio.open_nursery() as nursery:
        for node in (HERE, THERE):
            await database.run(rows_of_nodes.enter, node, "x", 1)
        held = {"runs": HERE, "crashed": HERE, "theirs": THERE, "orphan": GONE, "never": None}
        for ident, node in held.items():
            await database.run(_meeting, ident, node)
        running = frozenset({"mtg_runs"})
        nursery.start_soon(pause_idle_meetings, database, HERE, lambda: running, 0.01, now_ms)

        async def paused() -> set[str]:
            found = {ident for ident in held if await _status(database, ident) == "scheduled"}
            return found if len(found) >= 3 else set()

        assert await until(paused) == {"crashed", "orphan", "never"}
        await trio.sleep(0.05)
        nursery.cancel_scope.cancel()
        assert sorted(order for _, order, _ in await database.read(_told)) == ["mtg_crashed", "mtg_never", "mtg_orphan"]


async def test_a_room_that_went_elsewhere_is_not_paused_from_here(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(_meeting, "one", HERE)
        await database.run(meetings.hold, "mtg_one", THERE)
        assert not await database.run(meetings.pause, "mtg_one", 6000, HERE)
        assert await _status(database, "one") == "active"
        assert await database.run(meetings.pause, "mtg_one", 6000, THERE)
        assert await database.run(meetings.activate, "mtg_one", 7000)
        assert await database.run(meetings.pause, "mtg_one", 8000, HERE)  # nobody has it yet


def watching(database: Database, node: str, running: frozenset[str] = frozenset()) -> Any:
    return partial(
        nodes.watch, database, node, "x", lambda: running, now_ms, lost_after_s=0.4
    )


async def test_a_node_that_crashed_is_noticed_and_one_that_lives_is_not(postgres_url: str) -> None:
    async with open_test_database(postgres_url) as database:
        for node, ident in ((HERE, "ann"), (THERE, "bob"), (GONE, "eve")):
            await nodes.enter(database, node, "x", now_ms)
            await database.run(_meeting, ident, node)
            await database.run(_join, ident, ident, node)
        async with trio.open_nursery() as nursery:
            for node in (HERE, THERE):  # the third has crashed
                nursery.start_soon(watching(database, node))

            async def noticed() -> bool:
                return await database.read(_open) == {"ann", "bob"}

            await until(noticed)
            await trio.sleep(0.6)
            nursery.cancel_scope.cancel()
        assert await database.read(_told) == [("meeting.user_left", "mtg_eve", "Eve")]  # by one of them
        assert set(await database.read(rows_of_nodes.beats)) == {HERE, THERE}


async def test_one_that_was_only_cut_off_takes_its_meetings_back(postgres_url: str) -> None:
    async with open_test_database(postgres_url) as database:
        await nodes.enter(database, HERE, "x", now_ms)
        await database.run(_meeting, "one", HERE)
        await database.run(rows_of_nodes.leave, HERE)  # buried
        await database.run(meetings.pause_idle, THERE, (), 10_000, 20_000)
        assert await _status(database, "one") == "scheduled"
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watching(database, HERE, frozenset({"mtg_one"})))

            async def back() -> bool:
                return await _status(database, "one") == "active"

            await until(back)
            nursery.cancel_scope.cancel()
        assert HERE in await database.read(rows_of_nodes.beats)
        assert not await database.run(meetings.pause, "mtg_one", 6000, THERE)


async def test_while_the_database_is_away_nobody_is_taken_for_lost(postgres_url: str) -> None:
    """Nobody could count, so that nobody has counted says nothing."""
    away = False

    async with open_test_database(postgres_url) as database:

        class Flaky:
            """The database, reached or not."""

            dialect = database.dialect

            async def run(self, *args: Any) -> Any:
                if away:
                    await trio.lowlevel.checkpoint()
                    raise DatabaseUnavailableError("no route")
                return await database.run(*args)

            read = run

        for node in (HERE, THERE):
            await nodes.enter(database, node, "x", now_ms)
        await database.run(_meeting, "one", THERE)
        await database.run(_join, "bob", "one", THERE)
        flaky: Any = Flaky()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(watching(flaky, HERE))
            await trio.sleep(0.1)
            away = True
            await trio.sleep(0.6)  # longer than who does not count is lost
            away = False
            await trio.sleep(0.15)
            assert await database.read(_open) == {"bob"}
            nursery.cancel_scope.cancel()
