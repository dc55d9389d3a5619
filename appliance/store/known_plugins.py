"""What each plugin was when it last ran: queries on the table ``known_plugins``.

Owns the rows; refuses to know what a plugin is.
"""

from __future__ import annotations

import msgspec

from appliance.store.database import Conn


class KnownPlugin(msgspec.Struct, frozen=True, kw_only=True):
    """One plugin, by its name in the settings."""

    name: str
    groups: tuple[str, ...]
    events: tuple[str, ...]


async def put(conn: Conn, plugin: KnownPlugin) -> None:
    """Remember a plugin as it is now."""
    await conn.execute(
        "INSERT INTO known_plugins (name, groups, events) VALUES ($1, $2, $3)"
        " ON CONFLICT (name) DO UPDATE SET groups = excluded.groups, events = excluded.events",
        plugin.name,
        msgspec.json.encode(plugin.groups).decode(),
        msgspec.json.encode(plugin.events).decode(),
    )


async def every(conn: Conn) -> list[KnownPlugin]:
    """All that ever ran here, by name."""
    rows = await conn.fetch("SELECT name, groups, events FROM known_plugins ORDER BY name")
    names = tuple[str, ...]
    return [
        KnownPlugin(
            name=row["name"],
            groups=msgspec.json.decode(row["groups"], type=names),
            events=msgspec.json.decode(row["events"], type=names),
        )
        for row in rows
    ]
