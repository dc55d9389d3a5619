"""Who was invited to a meeting: queries on the table ``invitations``.

Owns the rows; refuses to send anything.
"""

from __future__ import annotations

from appliance.store.database import Conn


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
