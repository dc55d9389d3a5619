"""Sign-ins: queries on the table ``sessions``.

Owns the rows; refuses to judge a refresh token (`auth.sessions`) and to sign one. A session is a family: every
access and refresh token of one sign-in carries its id, so ending the row ends them all at once.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from appliance.store.database import Conn, Row

SessionKind = Literal["bearer", "cookie"]

_COLUMNS = (
    "id, user_id, kind, refresh_id, previous_refresh_id, created_at_ms, rotated_at_ms, expires_at_ms, "
    "revoked_at_ms, revoked_reason, address, user_agent"
)


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """One sign-in. Times in milliseconds since the Unix epoch."""

    id: str
    user_id: str
    kind: SessionKind
    refresh_id: str
    """``jti`` of the refresh token that may rotate it."""
    previous_refresh_id: str | None
    created_at_ms: int
    rotated_at_ms: int
    expires_at_ms: int
    """When the newest refresh token expires."""
    revoked_at_ms: int | None
    revoked_reason: str | None
    address: str
    user_agent: str


async def insert(conn: Conn, session: Session) -> None:
    """Add a sign-in."""
    values = [getattr(session, name) for name in Session.__struct_fields__]
    await conn.execute(
        f"INSERT INTO sessions ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)", *values
    )


async def by_id(conn: Conn, session_id: str) -> Session | None:
    """The sign-in, or None."""
    row = await conn.fetchrow(f"SELECT {_COLUMNS} FROM sessions WHERE id = $1", session_id)
    return None if row is None else _filled(row)


async def rotate(conn: Conn, session_id: str, *, refresh_id: str, now_ms: int, expires_at_ms: int) -> None:
    """Make ``refresh_id`` the one refresh token that works."""
    await conn.execute(
        "UPDATE sessions SET previous_refresh_id = refresh_id, refresh_id = $2, rotated_at_ms = $3,"
        " expires_at_ms = $4 WHERE id = $1",
        session_id,
        refresh_id,
        now_ms,
        expires_at_ms,
    )


async def revoke(conn: Conn, session_id: str, reason: str, now_ms: int) -> bool:
    """Whether the session was alive and has now ended."""
    sql = "UPDATE sessions SET revoked_at_ms = $2, revoked_reason = $3 WHERE id = $1 AND revoked_at_ms IS NULL"
    return await conn.execute(sql, session_id, now_ms, reason) == 1


async def revoke_all(conn: Conn, user_id: str, reason: str, now_ms: int, *, besides: str = "") -> int:
    """End the user's sessions, all but ``besides``; how many there were."""
    return await conn.execute(
        "UPDATE sessions SET revoked_at_ms = $2, revoked_reason = $3"
        " WHERE user_id = $1 AND revoked_at_ms IS NULL AND id <> $4",
        user_id,
        now_ms,
        reason,
        besides,
    )


async def trim(conn: Conn, user_id: str, *, keep: int, now_ms: int) -> int:
    """End the oldest live sessions of a user beyond ``keep``; how many there were."""
    return await conn.execute(
        "UPDATE sessions SET revoked_at_ms = $2, revoked_reason = 'too many' WHERE user_id = $1"
        " AND revoked_at_ms IS NULL AND id NOT IN (SELECT id FROM sessions WHERE user_id = $1"
        " AND revoked_at_ms IS NULL ORDER BY rotated_at_ms DESC, id DESC LIMIT $3)",
        user_id,
        now_ms,
        keep,
    )


async def addresses(conn: Conn, user_id: str) -> list[str]:
    """Where the account's remembered sign-ins came from, ended ones too."""
    rows = await conn.fetch("SELECT DISTINCT address FROM sessions WHERE user_id = $1", user_id)
    return [row["address"] for row in rows]


async def delete_expired(conn: Conn, before_ms: int, limit: int = 500) -> int:
    """Forget at most ``limit`` sessions that expired before; how many. A revoked one is kept until then, so that reuse
    is still told apart."""
    sql = "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at_ms < $1 LIMIT $2)"
    return await conn.execute(sql, before_ms, limit)


async def count_users(conn: Conn, now_ms: int) -> int:
    """Users with a live session."""
    sql = "SELECT COUNT(DISTINCT user_id) FROM sessions WHERE revoked_at_ms IS NULL AND expires_at_ms > $1"
    return int(await conn.fetchval(sql, now_ms))


def _filled(row: Row) -> Session:
    return Session(**{name: row[name] for name in Session.__struct_fields__})
