"""The live bus over Redis: what one node committed, every node hears.

Owns the connection and its channel; refuses to be needed. Events go out by PUBLISH and come back to us as to everybody
else, so each node hears each once. While Redis is away, and after it came back for what was missed meanwhile, a node
hears its own events only, and says so: who must not miss one is a subscriber of the outbox.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import structlog
import trio
from redis.asyncio import Redis
from redis.exceptions import RedisError

from appliance.asyncio_thread import AsyncioThread
from appliance.bus.live import LiveBus
from appliance.errors import ConfigError
from appliance.events.envelope import Envelope, UnknownEventError, decode, encode

_log = structlog.get_logger(__name__)

_CHANNEL = "parley:events:1"
# For one command, and between attempts to come back.
_ANSWER_WITHIN_S = 2.0
_RETRY_S = 1.0
# A connection on which nothing comes is asked whether it lives.
_ALIVE_EACH_S = 10.0


class RedisBus:
    """Publishes to, and hears from, one Redis; made by `open_redis_bus`."""

    def __init__(self, url: str, live: LiveBus, thread: AsyncioThread) -> None:
        self._live = live
        self._thread = thread
        self._where = describe(url)
        self._redis: Any = Redis.from_url(
            url,
            socket_timeout=_ANSWER_WITHIN_S,
            socket_connect_timeout=_ANSWER_WITHIN_S,
            health_check_interval=_ALIVE_EACH_S,
        )
        self._listening = False
        """In the asyncio thread: subscribed, so what is published comes back."""
        self._counts = {"published": 0, "heard": 0, "unreadable": 0, "outages": 0}

    async def tell(self, envelope: Envelope) -> None:
        """Every node; only this one while Redis is away."""
        if not await self._thread.call(self._publish, encode(envelope)):
            self._live.tell(envelope)

    def statistics(self) -> dict[str, int]:
        """``published``, ``heard``, ``unreadable`` events and ``outages`` since the start; ``connected`` 0 or 1."""
        return {**self._counts, "connected": int(self._listening)}

    # --- in the asyncio thread -----------------------------------------------------------------------------------

    async def check(self) -> None:
        """Raise what keeps us from Redis."""
        await self._redis.ping()

    async def _publish(self, raw: bytes) -> bool:
        """Whether it comes back to us."""
        if not self._listening:
            return False
        try:
            await self._redis.publish(_CHANNEL, raw)
        except (RedisError, OSError, TimeoutError) as error:
            _log.warning("redis_publish_failed", where=self._where, error=str(error))
            return False
        self._counts["published"] += 1
        return True

    async def listen(self) -> None:
        """Hear for ever, over outages."""
        while True:
            try:
                async with self._redis.pubsub() as pubsub:
                    await pubsub.subscribe(_CHANNEL)
                    while True:
                        # a lost connection shows within the health check's time
                        message = await pubsub.get_message(timeout=_ALIVE_EACH_S)
                        if message is None:
                            continue
                        if message["type"] == "subscribe":
                            self._listening = True
                        elif message["type"] == "message":
                            self._heard(message["data"])
            except (RedisError, OSError, TimeoutError) as error:
                self._counts["outages"] += 1
                _log.warning("redis_away", where=self._where, error=str(error), effect="other nodes are not heard")
            finally:
                self._listening = False
            await asyncio.sleep(_RETRY_S)

    def _heard(self, raw: bytes) -> None:
        try:
            envelope = decode(raw)
        except UnknownEventError as error:
            self._counts["unreadable"] += 1
            _log.warning("redis_message_unreadable", where=self._where, error=str(error))
            return
        self._counts["heard"] += 1
        self._thread.send_to_trio(self._live.tell, envelope)

    async def close(self) -> None:
        """Say goodbye."""
        await self._redis.aclose()


def describe(url: str) -> str:
    """Server and port of a URL, without user and password."""
    parts = urlsplit(url)
    return f"{parts.hostname or 'localhost'}:{parts.port or 6379}"


@asynccontextmanager
async def open_redis_bus(url: str, live: LiveBus, thread: AsyncioThread) -> AsyncIterator[RedisBus]:
    """Connect; ConfigError without the password when Redis cannot be reached at the start or refuses."""
    bus = RedisBus(url, live, thread)
    try:
        await thread.call(bus.check)
    except (RedisError, OSError, TimeoutError) as error:
        await thread.call(bus.close)
        raise ConfigError(f"bus.redis_url: {describe(url)}: {error}") from error
    try:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(thread.call, bus.listen)
            yield bus
            nursery.cancel_scope.cancel()
    finally:
        with trio.CancelScope(shield=True):
            await thread.call(bus.close)
