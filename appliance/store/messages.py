"""Chat: queries on the table ``messages``.

Owns the rows and their numbering from 1 within a meeting; refuses to know who may write.
"""

from __future__ import annotations

import msgspec

from appliance.store.database import Conn, Row

_COLUMNS = "id, meeting_id, chat_seq, participant_id, user_id, name, text, sent_at_ms"


class StoredMessage(msgspec.Struct, frozen=True, kw_only=True):
    """One chat line. ``sent_at_ms``: milliseconds since the Unix epoch."""

    id: str
    meeting_id: str
    chat_seq: int
    participant_id: str
    user_id: str | None
    name: str
    text: str
    sent_at_ms: int


async def append(
    conn: Conn,
    *,
    message_id: str,
    meeting_id: str,
    participant_id: str,
    user_id: str | None,
    name: str,
    text: str,
    now_ms: int,
) -> StoredMessage:
    """Store a line under the meeting's next number. The counter's row orders writers in both engines."""
    chat_seq = int(
        await conn.fetchval(
            "UPDATE meetings SET last_chat_seq = last_chat_seq + 1 WHERE id = $1 RETURNING last_chat_seq", meeting_id
        )
    )
    message = StoredMessage(
        id=message_id,
        meeting_id=meeting_id,
        chat_seq=chat_seq,
        participant_id=participant_id,
        user_id=user_id,
        name=name,
        text=text,
        sent_at_ms=now_ms,
    )
    values = [getattr(message, field) for field in StoredMessage.__struct_fields__]
    await conn.execute(f"INSERT INTO messages ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)", *values)
    return message


async def after(conn: Conn, meeting_id: str, after_seq: int, limit: int) -> list[StoredMessage]:
    """At most ``limit`` lines with a number above ``after_seq``, oldest first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM messages WHERE meeting_id = $1 AND chat_seq > $2 ORDER BY chat_seq LIMIT $3",
        meeting_id,
        after_seq,
        limit,
    )
    return [_filled(row) for row in rows]


async def newest(conn: Conn, meeting_id: str, limit: int) -> list[StoredMessage]:
    """The last ``limit`` lines, oldest first."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM messages WHERE meeting_id = $1 ORDER BY chat_seq DESC LIMIT $2", meeting_id, limit
    )
    return [_filled(row) for row in reversed(rows)]


def _filled(row: Row) -> StoredMessage:
    return StoredMessage(**{name: row[name] for name in StoredMessage.__struct_fields__})
