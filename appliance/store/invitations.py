"""Who was invited to a meeting: queries on the table ``invitations``.

Owns the rows; refuses to send anything.
"""

from __future__ import annotations

import msgspec

from appliance.store.database import Conn


class Invited(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody whom a meeting invites: an account, or an address."""

    id: str
    user_id: str | None
    email: str | None
    created_at_ms: int


async def insert(
    conn: Conn,
    *,
    invitation_id: str,
    meeting_id: str,
    user_id: str | None,
    email: str | None,
    invited_by: str,
    now_ms: int,
) -> bool:
    """Whether this is a new invitation of the account or (exactly one of the two) the address."""
    email_key = None if email is None else email.casefold()
    known = await conn.fetchval(
        "SELECT id FROM invitations WHERE meeting_id = $1 AND (user_id = $2 OR email_key = $3)",
        meeting_id,
        user_id or "",
        email_key or "",
    )
    if known is not None:
        return False
    await conn.execute(
        "INSERT INTO invitations (id, meeting_id, user_id, email, email_key, invited_by, created_at_ms)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7)",
        invitation_id,
        meeting_id,
        user_id,
        email,
        email_key,
        invited_by,
        now_ms,
    )
    return True


async def is_invited(conn: Conn, meeting_id: str, user_id: str) -> bool:
    """Whether the account was invited by its id."""
    sql = "SELECT id FROM invitations WHERE meeting_id = $1 AND user_id = $2"
    return await conn.fetchval(sql, meeting_id, user_id) is not None


async def count(conn: Conn, meeting_id: str) -> int:
    """How many a meeting invites."""
    return int(await conn.fetchval("SELECT COUNT(*) FROM invitations WHERE meeting_id = $1", meeting_id))


async def page(conn: Conn, meeting_id: str, *, after: tuple[int, str] | None, limit: int) -> list[Invited]:
    """At most ``limit`` whom a meeting invites in the order of inviting, after (created_at_ms, id) ``after``."""
    args: list[object] = [meeting_id]
    where = "meeting_id = $1"
    if after is not None:
        args.extend(after)
        where += " AND (created_at_ms > $2 OR (created_at_ms = $2 AND id > $3))"
    args.append(limit)
    rows = await conn.fetch(
        f"SELECT id, user_id, email, created_at_ms FROM invitations WHERE {where}"
        f" ORDER BY created_at_ms, id LIMIT ${len(args)}",
        *args,
    )
    return [Invited(**{name: row[name] for name in Invited.__struct_fields__}) for row in rows]
