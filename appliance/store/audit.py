"""The audit log: queries on the table ``audit``, which is only ever added to.

Owns the rows; refuses to decide what is worth one. Ids sort by time: the row's time in milliseconds, then chance.
"""

from __future__ import annotations

import msgspec

from appliance.store.database import Conn, Row

_COLUMNS = "id, at_ms, actor_id, actor_name, action, outcome, target, address, request_id, detail"


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody did. ``at_ms``: milliseconds since the Unix epoch."""

    id: str
    at_ms: int
    actor_id: str | None
    """None: nobody was signed in."""
    actor_name: str
    """The name as it was then, or what was typed as a name."""
    action: str
    """As ``auth.login``, ``admin.user.ban``."""
    outcome: str
    """``ok``, or the machine code of the refusal."""
    target: str | None
    """Id of what it was done to."""
    address: str
    request_id: str
    detail: str
    """Further facts for people, may be empty."""


async def insert(conn: Conn, entry: AuditEntry) -> None:
    """Add an entry."""
    values = [getattr(entry, name) for name in AuditEntry.__struct_fields__]
    await conn.execute(f"INSERT INTO audit ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", *values)


async def page(
    conn: Conn, *, action: str | None, actor_id: str | None, after: tuple[int, str] | None, limit: int
) -> list[AuditEntry]:
    """At most ``limit`` entries, newest first, after the one with (at_ms, id) ``after``."""
    conditions: list[str] = []
    args: list[object] = []
    for column, value in (("action", action), ("actor_id", actor_id)):
        if value is not None:
            args.append(value)
            conditions.append(f"{column} = ${len(args)}")
    if after is not None:
        args.extend(after)
        time, ident = len(args) - 1, len(args)
        conditions.append(f"(at_ms < ${time} OR (at_ms = ${time} AND id < ${ident}))")
    where = " WHERE " + " AND ".join(conditions) if conditions else ""
    args.append(limit)
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM audit{where} ORDER BY at_ms DESC, id DESC LIMIT ${len(args)}", *args
    )
    return [_filled(row) for row in rows]


def _filled(row: Row) -> AuditEntry:
    return AuditEntry(**{name: row[name] for name in AuditEntry.__struct_fields__})
