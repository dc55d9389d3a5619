"""Two nodes on one real Redis: what one tells both hear, an outage costs only what others said meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio

from appliance.asyncio_thread import open_asyncio_thread
from appliance.bus.live import Listener, LiveBus
from appliance.bus.redis import RedisBus, describe, open_redis_bus
from appliance.errors import ConfigError
from appliance.events.catalogue import MeetingStarted
from appliance.events.envelope import Envelope, envelop
from tests.support.ports import free_port
from tests.support.redis_server import RedisServer
from tests.support.waiting import until


def started(number: int) -> Envelope:
    return envelop(MeetingStarted(meeting_id="mtg_a", title="会议"), event_id=f"evt_{number}", at_ms=number)


@asynccontextmanager
async def node(url: str) -> AsyncIterator[tuple[RedisBus, Listener]]:
    live = LiveBus()
    async with open_asyncio_thread() as thread, open_redis_bus(url, live, thread) as bus:
        with live.listen({"meeting.started"}) as listener:
            await until(lambda: bus.statistics()["connected"] == 1)
            yield bus, listener


async def hears(listener: Listener) -> str:
    with trio.fail_after(10):
        return (await listener.__anext__()).id


async def test_both_nodes_hear_each_event_once(redis_server: RedisServer) -> None:
    async with node(redis_server.url) as (here, ours), node(redis_server.url) as (there, theirs):
        await here.tell(started(1))
        await there.tell(started(2))
        assert {await hears(ours), await hears(ours)} == {"evt_1", "evt_2"}
        assert {await hears(theirs), await hears(theirs)} == {"evt_1", "evt_2"}
        await trio.sleep(0.1)
        assert here.statistics() == {"published": 1, "heard": 2, "unreadable": 0, "outages": 0, "connected": 1}


async def test_an_outage_leaves_a_node_its_own_events_and_ends_by_itself(redis_server: RedisServer) -> None:
    async with node(redis_server.url) as (here, ours), node(redis_server.url) as (_, theirs):
        redis_server.stop()
        await here.tell(started(1))
        assert await hears(ours) == "evt_1"
        redis_server.start()
        await until(lambda: here.statistics()["connected"] == 1)
        await until(lambda: here.statistics()["outages"] >= 1)
        heard = []
        with trio.fail_after(15):
            while not heard:  # the other node may come back a moment later
                await here.tell(started(2))
                with trio.move_on_after(0.5):
                    heard.append((await theirs.__anext__()).id)
        assert heard == ["evt_2"]


async def test_rubbish_on_the_channel_is_counted_and_stops_nobody(redis_server: RedisServer) -> None:
    async with node(redis_server.url) as (here, ours):
        await here._thread.call(here._redis.publish, "parley:events:1", b'{"v": 1}')
        await here.tell(started(1))
        assert await hears(ours) == "evt_1"
        assert here.statistics()["unreadable"] == 1


async def test_a_redis_that_is_not_there_is_named_at_the_start() -> None:
    url = f"redis://user:secret@127.0.0.1:{free_port()}/0"
    with pytest.raises(ConfigError, match=r"bus\.redis_url: 127\.0\.0\.1:") as refused:
        async with node(url):
            pass
    assert "secret" not in str(refused.value)


def test_a_url_is_shown_without_its_password() -> None:
    assert describe("redis://user:secret@example.org/1") == "example.org:6379"
