"""A commit wakes who listens to its channel, on both engines: nobody is forgotten, nothing piles up."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio
import trio.testing

from appliance.store.database import Conn, DatabaseError
from appliance.store.wakeups import Listener, Switchboard, check_channel
from tests.support.databases import open_test_database

# Long enough for a notification to cross a busy machine, were there one.
NOTHING_WITHIN_S = 0.15


async def _notify(conn: Conn, *channels: str) -> None:
    for channel in channels:
        await conn.notify(channel)


async def _notify_and_fail(conn: Conn, channel: str) -> None:
    await conn.notify(channel)
    raise LookupError("changed my mind")


async def _asleep(listener: Listener) -> bool:
    with trio.move_on_after(NOTHING_WITHIN_S) as scope:
        await listener.wait()
    return scope.cancelled_caught


async def _settled(listener: Listener) -> Listener:
    """Without the wake-up that a new connection begins with."""
    await _asleep(listener)
    return listener


@pytest.mark.slow
async def test_a_commit_wakes_its_channel_and_no_other(engine: str | Path) -> None:
    async with (
        open_test_database(engine, schema=False) as database,
        database.listen("jobs") as first,
        database.listen("jobs") as second,
        database.listen("events") as other,
    ):
        await _settled(first), await _settled(second), await _settled(other)
        await database.run(_notify, "jobs")
        await first.wait()
        await second.wait()
        assert await _asleep(other)
        assert await _asleep(first)


@pytest.mark.slow
async def test_what_is_undone_wakes_nobody(engine: str | Path) -> None:
    async with open_test_database(engine, schema=False) as database, database.listen("jobs") as listener:
        await _settled(listener)
        with pytest.raises(LookupError):
            await database.run(_notify_and_fail, "jobs")
        assert await _asleep(listener)


@pytest.mark.slow
async def test_many_commits_are_one_wake_up_for_who_is_busy(engine: str | Path) -> None:
    async with open_test_database(engine, schema=False) as database, database.listen("jobs") as listener:
        await _settled(listener)
        for _ in range(5):
            await database.run(_notify, "jobs", "jobs")
        await trio.sleep(NOTHING_WITHIN_S)  # busy until all have arrived
        assert not await _asleep(listener)
        assert await _asleep(listener)


async def test_a_commit_before_the_wait_is_not_missed(engine: str | Path) -> None:
    async with open_test_database(engine, schema=False) as database, database.listen("jobs") as listener:
        await database.run(_notify, "jobs")
        await listener.wait()


async def test_a_cancelled_wait_loses_nothing(engine: str | Path) -> None:
    async with open_test_database(engine, schema=False) as database, database.listen("jobs") as listener:
        await _settled(listener)
        with trio.CancelScope() as scope:
            listener.wake()
            scope.cancel()
            await listener.wait()
        assert scope.cancelled_caught
        await listener.wait()


async def test_a_reader_wakes_nobody(engine: str | Path) -> None:
    async with open_test_database(engine, schema=False) as database:
        with pytest.raises(DatabaseError, match="read-only"):
            await database.read(_notify, "jobs")


@pytest.mark.parametrize("name", ["", "Jobs", "7", "a-b", "x" * 64, 'a"; DROP TABLE jobs'])
async def test_a_channel_has_a_plain_name(engine: str | Path, name: str) -> None:
    async with open_test_database(engine, schema=False) as database:
        with pytest.raises(ValueError, match="channel"):
            await database.run(_notify, name)
        with pytest.raises(ValueError, match="channel"):
            async with database.listen(name):
                raise AssertionError("listens")
    with pytest.raises(ValueError, match="channel"):
        check_channel(name)


async def test_who_went_is_forgotten() -> None:
    switchboard = Switchboard()
    with switchboard.listener("jobs") as listener, switchboard.listener("jobs"):
        switchboard.wake("nobody")
        switchboard.wake_all()
        await listener.wait()
    assert switchboard._listeners == {}
