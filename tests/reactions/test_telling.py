"""What is committed is told by itself; with Redis and PostgreSQL, on another node too."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from appliance.asyncio_thread import open_asyncio_thread
from appliance.bus.live import Listener, LiveBus
from appliance.bus.relay import Subscriber
from appliance.errors import ConfigError
from appliance.events.catalogue import UserRegistered
from appliance.events.envelope import Envelope, envelop
from appliance.reactions.telling import Telling, open_telling
from appliance.settings import BusSettings
from appliance.store import outbox
from appliance.store.database import Database, open_database
from tests.support.databases import database_settings
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer, running_redis
from tests.support.waiting import until

TYPES = frozenset({"user.registered"})


@pytest.fixture
def redis_server() -> Iterator[RedisServer]:
    with running_redis() as server:
        yield server


def registered(number: int) -> Envelope:
    event = UserRegistered(user_id=f"usr_{number}", username="ana")
    return envelop(event, event_id=f"evt_{number}", at_ms=1)


@asynccontextmanager
async def node(
    engine: str | Path, told: list[str], redis_url: str = ""
) -> AsyncIterator[tuple[Database, Telling, Listener]]:
    async def handle(envelope: Envelope) -> None:
        told.append(envelope.id)

    live = LiveBus()
    subscriber = Subscriber(name="mail", types=TYPES, handle=handle)
    settings = BusSettings(redis_url=redis_url)
    async with open_asyncio_thread() as thread, open_database(database_settings(engine), thread) as database:
        with live.listen(TYPES) as listener:
            async with open_telling(
                settings, database, thread, live, [subscriber], now_ms=lambda: 2, uniform=random.Random(1).uniform
            ) as telling:
                yield database, telling, listener


async def test_a_commit_is_told(tmp_path: Path) -> None:
    told: list[str] = []
    async with node(tmp_path, told) as (database, telling, listener):
        await database.run(outbox.add, registered(1))
        with trio.fail_after(10):
            assert (await listener.__anext__()).id == "evt_1"
        await until(lambda: telling.relay.statistics()["subscribers"]["mail"]["told"])
    assert told == ["evt_1"]
    assert set(telling.statistics()) == {"relay", "live"}


async def test_two_nodes_hear_everything_and_a_subscriber_is_told_by_one(
    postgres_url: str, redis_server: RedisServer
) -> None:
    told: list[str] = []
    async with (
        node(postgres_url, told, redis_server.url) as (database, here, ours),
        node(postgres_url, told, redis_server.url) as (_, there, theirs),
    ):
        await until(lambda: all(node.redis and node.redis.statistics()["connected"] for node in (here, there)))
        await database.run(outbox.add, registered(1), registered(2))
        with trio.fail_after(10):
            for listener in (ours, theirs):
                assert {(await listener.__anext__()).id, (await listener.__anext__()).id} == {"evt_1", "evt_2"}
        await until(lambda: len(told) >= 2)
        await trio.sleep(0.2)
    assert sorted(told) == ["evt_1", "evt_2"]


async def test_a_redis_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"bus\.redis_url"):
        async with node(tmp_path, [], f"redis://127.0.0.1:{free_port()}/0"):
            pass
