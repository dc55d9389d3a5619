"""Puts the relay and the live bus to work over the database, and over Redis where one is set.

Owns their life and the wake-ups between them; refuses to know who subscribes.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import trio

from appliance.asyncio_thread import AsyncioThread
from appliance.bus.live import LiveBus
from appliance.bus.redis import RedisBus, open_redis_bus
from appliance.bus.relay import Reaction, Relay, Subscriber
from appliance.events.envelope import Envelope
from appliance.reactions.outbox import StoredOutbox
from appliance.settings import BusSettings
from appliance.store import outbox
from appliance.store.database import Database


@dataclass(frozen=True, kw_only=True)
class Telling:
    """What runs."""

    live: LiveBus
    relay: Relay
    redis: RedisBus | None

    def statistics(self) -> dict[str, Any]:
        """``relay``, ``live`` and, with Redis, ``redis``: see their own."""
        found: dict[str, Any] = {"relay": self.relay.statistics(), "live": self.live.statistics()}
        if self.redis is not None:
            found["redis"] = self.redis.statistics()
        return found


@asynccontextmanager
async def open_telling(
    settings: BusSettings,
    database: Database,
    thread: AsyncioThread,
    live: LiveBus,
    subscribers: Sequence[Subscriber | Reaction],
    *,
    now_ms: Callable[[], int],
    uniform: Callable[[float, float], float],
) -> AsyncIterator[Telling]:
    """Tell while the context lasts; what is under way at its end is told again later. ConfigError: no Redis there."""
    async with AsyncExitStack() as stack:
        redis = None
        if settings.redis_url:
            redis = await stack.enter_async_context(open_redis_bus(settings.redis_url, live, thread))

        async def tell(envelope: Envelope) -> None:
            if redis is None:
                live.tell(envelope)
            else:
                await redis.tell(envelope)

        added = await stack.enter_async_context(database.listen(outbox.ADDED))
        spread = await stack.enter_async_context(database.listen(outbox.SPREAD))
        if database.dialect == "sqlite":  # this server alone holds the data folder: whoever claimed is gone
            await database.run(outbox.release_all, now_ms())
        relay = Relay(
            outbox=StoredOutbox(database, now_ms),
            subscribers=subscribers,
            tell=tell,
            now_ms=now_ms,
            uniform=uniform,
        )
        async with trio.open_nursery() as nursery:
            nursery.start_soon(relay.serve, added, spread)
            yield Telling(live=live, relay=relay, redis=redis)
            nursery.cancel_scope.cancel()
