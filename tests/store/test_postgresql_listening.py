"""The connection that listens may break, and the server may be away: everybody is told to look once it is back."""

from __future__ import annotations

import pytest
import structlog.testing
import trio

from appliance.store.database import Conn
from tests.support.databases import open_test_database
from tests.support.postgres import Postgres

pytestmark = pytest.mark.slow

ASKED = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'parley listening' AND {}"


async def _notify(conn: Conn) -> None:
    await conn.notify("jobs")


def _listeners(postgres: Postgres, name: str) -> int:
    asked = f"SELECT count(*) FROM pg_stat_activity WHERE application_name = 'parley listening' AND datname = '{name}'"
    return int(postgres.sql(asked))


async def test_another_process_is_heard(postgres: Postgres, postgres_url: str) -> None:
    async with open_test_database(postgres_url, schema=False) as database, database.listen("jobs") as listener:
        with trio.move_on_after(0.2):
            await listener.wait()  # of the new connection
        await trio.to_thread.run_sync(postgres.sql, "NOTIFY jobs", postgres_url.rpartition("/")[2])
        await listener.wait()


async def test_a_broken_connection_is_opened_again_and_everybody_looks(postgres: Postgres, postgres_url: str) -> None:
    name = postgres_url.rpartition("/")[2]
    with structlog.testing.capture_logs() as logs:
        async with (
            open_test_database(postgres_url, schema=False) as database,
            database.listen("jobs") as listener,
            database.listen("events") as other,
        ):
            with trio.move_on_after(0.2):
                await listener.wait()
            with trio.move_on_after(0.2):
                await other.wait()
            terminated = await trio.to_thread.run_sync(postgres.sql, ASKED.format(f"datname = '{name}'"))
            assert terminated == "t"
            await database.run(_notify)  # nobody hears it
            await listener.wait()  # the wake-up of the new connection
            await other.wait()
            await database.run(_notify)
            await listener.wait()
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == ["database_listening_interrupted"]


async def test_one_connection_for_all_channels_and_none_without(postgres: Postgres, postgres_url: str) -> None:
    name = postgres_url.rpartition("/")[2]
    async with open_test_database(postgres_url, schema=False) as database:
        assert await trio.to_thread.run_sync(_listeners, postgres, name) == 0
        async with database.listen("jobs"), database.listen("events"), database.listen("jobs"):
            assert await trio.to_thread.run_sync(_listeners, postgres, name) == 1
        async with database.listen("jobs") as listener:
            await database.run(_notify)
            await listener.wait()
    with trio.fail_after(5):
        while await trio.to_thread.run_sync(_listeners, postgres, name):  # noqa: ASYNC110  # another process
            await trio.sleep(0.05)
