"""PostgreSQL as a server that may be wrong, away, or come back."""

from __future__ import annotations

import pytest
import trio

from appliance.asyncio_thread import open_asyncio_thread
from appliance.errors import ConfigError
from appliance.settings import DatabaseSettings
from appliance.store.database import Conn, DatabaseUnavailableError
from appliance.store.postgresql import describe, open_postgresql
from tests.support.databases import open_test_database
from tests.support.ports import free_port
from tests.support.postgres import Postgres


async def _backend(conn: Conn) -> int:
    return int(await conn.fetchval("SELECT pg_backend_pid()"))


@pytest.mark.parametrize(
    ("url", "where", "reason"),
    [
        ("postgresql://ann:hidden@127.0.0.1:{free}/x", "127.0.0.1:{free}/x", "Connect call failed"),
        ("postgresql://ann:hidden@127.0.0.1:{port}/missing", "127.0.0.1:{port}/missing", 'role "ann" does not exist'),
        ("postgresql://parley@127.0.0.1:{port}/missing", "127.0.0.1:{port}/missing", "does not exist"),
        ("postgresql://ann:hidden@127.0.0.1:port/x", "the URL cannot be read", ""),
    ],
)
async def test_a_wrong_url_is_one_clear_line(postgres: Postgres, url: str, where: str, reason: str) -> None:
    ports = {"free": str(free_port()), "port": str(postgres.port)}
    for name, port in ports.items():
        url, where = url.replace("{" + name + "}", port), where.replace("{" + name + "}", port)
    async with open_asyncio_thread() as thread:
        with pytest.raises(ConfigError) as caught:
            async with open_postgresql(DatabaseSettings(url=url, connect_timeout_s=15.0), thread):
                raise AssertionError("connected")
    assert str(caught.value).startswith(f"database.url: {where}: ")
    assert reason in str(caught.value)
    assert "hidden" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_a_server_that_does_not_answer_is_not_waited_for_long() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")  # accepts and says nothing
    port = listeners[0].socket.getsockname()[1]
    settings = DatabaseSettings(url=f"postgresql://ann@127.0.0.1:{port}/x", connect_timeout_s=0.1)
    async with open_asyncio_thread() as thread:
        with pytest.raises(ConfigError, match=f"127.0.0.1:{port}/x"):
            async with open_postgresql(settings, thread):
                raise AssertionError("connected")
    await listeners[0].aclose()


async def test_a_broken_connection_is_an_outage_and_passes(postgres: Postgres, postgres_url: str) -> None:
    async def slow(conn: Conn) -> None:
        await conn.fetchval("SELECT pg_sleep(30)")

    async with open_test_database(postgres_url, schema=False) as database:
        async with trio.open_nursery() as nursery:

            async def caller() -> None:
                with pytest.raises(DatabaseUnavailableError):
                    await database.run(slow)

            nursery.start_soon(caller)
            asked = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND {}"
            name = postgres_url.rpartition("/")[2]
            terminate = asked.format(f"datname = '{name}' AND pid <> pg_backend_pid()")
            while await trio.to_thread.run_sync(postgres.sql, terminate) != "t":  # noqa: ASYNC110  # another process
                await trio.sleep(0.02)
        assert await database.run(_backend) > 0


async def test_a_cancelled_query_is_cancelled_on_the_server(postgres: Postgres, postgres_url: str) -> None:
    async def slow(conn: Conn) -> None:
        await conn.fetchval("SELECT pg_sleep(30)")

    name = postgres_url.rpartition("/")[2]
    async with open_test_database(postgres_url, schema=False) as database:
        with trio.move_on_after(0.1) as scope:
            await database.run(slow)
        assert scope.cancelled_caught
        assert await database.run(_backend) > 0
        left = await trio.to_thread.run_sync(
            postgres.sql,
            f"SELECT count(*) FROM pg_stat_activity WHERE datname = '{name}' AND state <> 'idle'",
        )
        assert left == "0"
        assert database.statistics()["connections_idle"] == database.statistics()["connections"]


async def test_losers_are_run_again(postgres_url: str) -> None:
    runs: list[int] = []

    async def make(conn: Conn) -> None:
        await conn.execute("CREATE TABLE counters (n BIGINT)")
        await conn.execute("INSERT INTO counters VALUES (0)")

    async def count(conn: Conn, number: int) -> None:
        runs.append(number)
        n = await conn.fetchval("SELECT n FROM counters")
        await conn.execute("UPDATE counters SET n = $1", n + 1)

    async def read(conn: Conn) -> int:
        return int(await conn.fetchval("SELECT n FROM counters"))

    async with open_test_database(postgres_url, schema=False) as database:
        await database.run(make)
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(database.run, count, number)
        assert await database.read(read) == 8
        assert database.statistics()["retries"] == len(runs) - 8
        assert len(runs) > 8


def test_a_url_is_described_without_its_secrets() -> None:
    assert (
        describe("postgresql://ann:hidden@db.example.org:5433/parley?sslmode=require") == "db.example.org:5433/parley"
    )
    assert describe("postgresql:///parley") == "localhost:5432/parley"
    assert describe("postgresql://ann:hidden@[::1/x") == "the URL cannot be read"
