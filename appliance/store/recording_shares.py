"""Links by which strangers see one recording: queries on the table ``recording_shares``.

Owns the rows: the SHA-256 of each link's token and when it ends. The token itself is known to whoever was given the
link; nobody can read it here, and there is no list of links.
"""

from __future__ import annotations

import hashlib

from appliance.store import recordings
from appliance.store.database import Conn
from appliance.store.recordings import Recording


def token_hash(token: str) -> str:
    """What is stored of a token. Plain SHA-256: the token is random and long, there is nothing to guess at."""
    return hashlib.sha256(token.encode()).hexdigest()


async def insert(
    conn: Conn, token: str, *, recording_id: str, created_by: str | None, expires_at_ms: int, now_ms: int
) -> None:
    """Add a link; those of the recording that have ended are forgotten."""
    await conn.execute(
        "DELETE FROM recording_shares WHERE recording_id = $1 AND expires_at_ms <= $2", recording_id, now_ms
    )
    await conn.execute(
        "INSERT INTO recording_shares (token_hash, recording_id, created_by, created_at_ms, expires_at_ms)"
        " VALUES ($1, $2, $3, $4, $5)",
        token_hash(token),
        recording_id,
        created_by,
        now_ms,
        expires_at_ms,
    )


async def count(conn: Conn, recording_id: str, now_ms: int) -> int:
    """Links to the recording that work now."""
    sql = "SELECT COUNT(*) FROM recording_shares WHERE recording_id = $1 AND expires_at_ms > $2"
    return int(await conn.fetchval(sql, recording_id, now_ms))


async def find(conn: Conn, token: str, now_ms: int) -> Recording | None:
    """The recording that a link leads to; None when it has ended, was revoked or never was."""
    recording_id = await conn.fetchval(
        "SELECT recording_id FROM recording_shares WHERE token_hash = $1 AND expires_at_ms > $2",
        token_hash(token),
        now_ms,
    )
    found = None if recording_id is None else await recordings.by_id(conn, recording_id)
    return None if found is None or found.deleted_at_ms is not None else found


async def revoke(conn: Conn, recording_id: str) -> int:
    """End every link to the recording; how many there were."""
    return await conn.execute("DELETE FROM recording_shares WHERE recording_id = $1", recording_id)


async def forget(conn: Conn, now_ms: int) -> int:
    """Forget links that have ended; how many."""
    return await conn.execute("DELETE FROM recording_shares WHERE expires_at_ms <= $1", now_ms)
