"""The servers that run on this database: queries on the table ``nodes``.

Owns the rows; refuses to judge when a node is lost (`live.nodes`): the clocks of several machines say nothing about
that, so a row holds a number that counts up; its times are for people.
"""

from __future__ import annotations

import msgspec

from appliance.store.database import Conn


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One server. Times in milliseconds since the Unix epoch, by its own clock."""

    id: str
    name: str
    """Of its machine."""
    version: str
    """Empty for one older than this column."""
    started_at_ms: int
    seen_at_ms: int
    """When it last counted up: on a database of its own only when it started."""
    meetings: int
    """That run there."""
    participants: int
    """Connections in them."""


async def enter(conn: Conn, node: str, name: str, now_ms: int, version: str = "") -> None:
    """A node runs, or runs again."""
    await conn.execute(
        "INSERT INTO nodes (id, name, beat, started_at_ms, seen_at_ms, version) VALUES ($1, $2, 1, $3, $3, $4)"
        " ON CONFLICT (id) DO UPDATE SET name = excluded.name, beat = nodes.beat + 1, version = excluded.version,"
        " started_at_ms = excluded.started_at_ms, seen_at_ms = excluded.seen_at_ms",
        node,
        name,
        now_ms,
        version,
    )


async def beat(conn: Conn, node: str, now_ms: int) -> bool:
    """Count up; False when somebody has taken the node for lost."""
    sql = "UPDATE nodes SET beat = beat + 1, seen_at_ms = $2 WHERE id = $1"
    return await conn.execute(sql, node, now_ms) == 1


async def every(conn: Conn) -> list[Node]:
    """All that run, or crashed a moment ago, the longest running first."""
    rows = await conn.fetch(
        "SELECT id, name, version, started_at_ms, seen_at_ms,"
        " (SELECT COUNT(*) FROM meetings m WHERE m.node = n.id AND m.status = 'active') AS meetings,"
        " (SELECT COUNT(*) FROM participants p WHERE p.node = n.id AND p.left_at_ms IS NULL) AS participants"
        " FROM nodes n ORDER BY started_at_ms, id"
    )
    return [Node(**{name: row[name] for name in Node.__struct_fields__}) for row in rows]


async def beats(conn: Conn) -> dict[str, int]:
    """How far each node has counted."""
    return {row["id"]: int(row["beat"]) for row in await conn.fetch("SELECT id, beat FROM nodes")}


async def leave(conn: Conn, node: str | None) -> None:
    """A node has stopped; None: every one has."""
    await conn.execute("DELETE FROM nodes WHERE CAST($1 AS TEXT) IS NULL OR id = $1", node)


async def bury(conn: Conn, node: str, beat_seen: int) -> bool:
    """Whether this call took a node for lost, which has not counted since."""
    return await conn.execute("DELETE FROM nodes WHERE id = $1 AND beat = $2", node, beat_seen) == 1
