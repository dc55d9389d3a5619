"""Links by which strangers see one recording: queries on the table ``recording_shares``.

Owns the rows: the SHA-256 of each link's token, when it ends and whether its visitors may download. The token itself is
known to whoever was given the link; nobody can read it here, and there is no list of links.
"""

from __future__ import annotations

import hashlib

import msgspec

from appliance.store import recordings
from appliance.store.database import Conn
from appliance.store.recordings import Recording


class Link(msgspec.Struct, frozen=True, kw_only=True):
    """Where a link leads, and what for."""

    recording: Recording
    download: bool
    """To save the film, too, and not only to watch it."""


def token_hash(token: str) -> str:
    """What is stored of a token. Plain SHA-256: the token is random and long, there is nothing to guess at."""
    return hashlib.sha256(token.encode()).hexdigest()


async def insert(
    conn: Conn,
    token: str,
    *,
    recording_id: str,
    created_by: str | None,
    expires_at_ms: int,
    download: bool,
    now_ms: int,
) -> None:
    """Add a link; those of the recording that have ended are forgotten."""
    await conn.execute(
        "DELETE FROM recording_shares WHERE recording_id = $1 AND expires_at_ms <= $2", recording_id, now_ms
    )
    await conn.execute(
        "INSERT INTO recording_shares (token_hash, recording_id, created_by, created_at_ms, expires_at_ms, download)"
        " VALUES ($1, $2, $3, $4, $5, $6)",
        token_hash(token),
        recording_id,
        created_by,
        now_ms,
        expires_at_ms,
        download,
    )


async def count(conn: Conn, recording_id: str, now_ms: int) -> int:
    """Links to the recording that work now."""
    sql = "SELECT COUNT(*) FROM recording_shares WHERE recording_id = $1 AND expires_at_ms > $2"
    return int(await conn.fetchval(sql, recording_id, now_ms))


async def find(conn: Conn, token: str, now_ms: int) -> Link | None:
    """The recording that a link leads to; None when it has ended, was revoked or never was."""
    row = await conn.fetchrow(
        "SELECT recording_id, download FROM recording_shares WHERE token_hash = $1 AND expires_at_ms > $2",
        token_hash(token),
        now_ms,
    )
    found = None if row is None else await recordings.by_id(conn, row["recording_id"])
    if row is None or found is None or found.deleted_at_ms is not None:
        return None
    return Link(recording=found, download=bool(row["download"]))  # SQLite has numbers


async def revoke(conn: Conn, recording_id: str) -> int:
    """End every link to the recording; how many there were."""
    return await conn.execute("DELETE FROM recording_shares WHERE recording_id = $1", recording_id)


async def forget(conn: Conn, now_ms: int) -> int:
    """Forget links that have ended; how many."""
    return await conn.execute("DELETE FROM recording_shares WHERE expires_at_ms <= $1", now_ms)
