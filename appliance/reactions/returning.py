"""A plugin that runs, at the start or again: what it is is remembered, and what waited for it goes on.

Owns the watch on every enabled plugin; refuses to know how one is started. While one is off, `listeners` and `sending`
keep what it is owed without counting attempts.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio
from msgspec import structs

from appliance.errors import UserError
from appliance.hooks.running import Known, Plugins
from appliance.reactions.notices import SEND
from appliance.store import jobs, known_plugins
from appliance.store.database import Conn, Database, DatabaseError
from appliance.store.known_plugins import KnownPlugin

_log = structlog.get_logger(__name__)

# While the database is away.
_RETRY_S = 5.0


async def recall(database: Database) -> list[Known]:
    """What is remembered of earlier starts."""
    return [Known(**structs.asdict(plugin)) for plugin in await database.read(known_plugins.every)]


async def follow_plugins(plugins: Plugins, database: Database, now_ms: Callable[[], int]) -> None:
    """For ever: each time that a plugin runs."""
    async with trio.open_nursery() as nursery:
        for name in plugins.enabled():
            nursery.start_soon(_follow, plugins, name, database, now_ms)


async def _follow(plugins: Plugins, name: str, database: Database, now_ms: Callable[[], int]) -> None:
    while True:
        await plugins.wait_enabled(name)
        plugin = plugins.as_known(name)
        try:
            await database.run(_returned, KnownPlugin(**structs.asdict(plugin)), now_ms())
        except (DatabaseError, UserError) as error:
            _log.warning("plugin_not_remembered", plugin=name, reason=str(error))
            await trio.sleep(_RETRY_S)
            continue
        await plugins.wait_enabled(name, False)


async def _returned(conn: Conn, plugin: KnownPlugin, now_ms: int) -> None:
    await known_plugins.put(conn, plugin)
    await jobs.hasten(conn, SEND.name, f":{plugin.name}", now_ms)
