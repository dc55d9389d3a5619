"""The servers that run on this database: queries on the table ``nodes``.

Owns the rows; refuses to judge when a node is lost (`live.nodes`): the clocks of several machines say nothing about
that, so a row holds a number that counts up and no time that somebody would compare.
"""

from __future__ import annotations

from appliance.store.database import Conn


async def enter(conn: Conn, node: str, name: str, now_ms: int) -> None:
    """A node runs, or runs again."""
    await conn.execute(
        "INSERT INTO nodes (id, name, beat, started_at_ms) VALUES ($1, $2, 1, $3) ON CONFLICT (id) DO UPDATE"
        " SET name = excluded.name, beat = nodes.beat + 1, started_at_ms = excluded.started_at_ms",
        node,
        name,
        now_ms,
    )


async def beat(conn: Conn, node: str) -> bool:
    """Count up; False when somebody has taken the node for lost."""
    return await conn.execute("UPDATE nodes SET beat = beat + 1 WHERE id = $1", node) == 1


async def beats(conn: Conn) -> dict[str, int]:
    """How far each node has counted."""
    return {row["id"]: int(row["beat"]) for row in await conn.fetch("SELECT id, beat FROM nodes")}


async def leave(conn: Conn, node: str | None) -> None:
    """A node has stopped; None: every one has."""
    await conn.execute("DELETE FROM nodes WHERE CAST($1 AS TEXT) IS NULL OR id = $1", node)


async def bury(conn: Conn, node: str, beat_seen: int) -> bool:
    """Whether this call took a node for lost, which has not counted since."""
    return await conn.execute("DELETE FROM nodes WHERE id = $1 AND beat = $2", node, beat_seen) == 1
