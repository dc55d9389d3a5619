"""Who was in a meeting, and what somebody is there: the tables ``participants`` and ``members``.

Owns the rows. A participant is one connection, every join kept; a member is one person of a meeting (an account or a
guest, the *subject*), whose role and whose being kicked outlive a connection. Refuses to know who is connected now
(`live`) and what a role allows (`meeting`).
"""

from __future__ import annotations

from typing import Literal

import msgspec

from appliance.store.database import Conn, Row

MeetingRole = Literal["host", "cohost", "participant"]

_COLUMNS = "id, meeting_id, user_id, guest_id, name, role, joined_at_ms, left_at_ms, leave_reason, node"


class ParticipantRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One connection to a meeting. Times in milliseconds since the Unix epoch."""

    id: str
    meeting_id: str
    user_id: str | None
    guest_id: str | None
    """Set for a guest, who has no user_id; a deleted account leaves both None."""
    name: str
    role: MeetingRole
    joined_at_ms: int
    left_at_ms: int | None
    leave_reason: str | None
    node: str | None = None
    """Which held the connection."""


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """What one account or guest is in one meeting."""

    meeting_id: str
    subject: str
    """User id or guest id."""
    role: MeetingRole
    kicked_at_ms: int | None


async def insert(conn: Conn, record: ParticipantRecord) -> None:
    """Add a join."""
    values = [getattr(record, name) for name in ParticipantRecord.__struct_fields__]
    places = ", ".join(f"${number}" for number in range(1, len(values) + 1))
    await conn.execute(f"INSERT INTO participants ({_COLUMNS}) VALUES ({places})", *values)


async def by_id(conn: Conn, meeting_id: str, participant_id: str) -> ParticipantRecord | None:
    """The join, or None when this meeting has none of that id."""
    sql = f"SELECT {_COLUMNS} FROM participants WHERE id = $1 AND meeting_id = $2"
    row = await conn.fetchrow(sql, participant_id, meeting_id)
    return None if row is None else _filled(row)


async def set_left(conn: Conn, participant_id: str, reason: str, now_ms: int) -> bool:
    """Whether this call ended the join."""
    sql = "UPDATE participants SET left_at_ms = $2, leave_reason = $3 WHERE id = $1 AND left_at_ms IS NULL"
    return await conn.execute(sql, participant_id, now_ms, reason) == 1


async def set_role(conn: Conn, participant_id: str, role: MeetingRole) -> None:
    """Change the role of one connection."""
    await conn.execute("UPDATE participants SET role = $2 WHERE id = $1", participant_id, role)


async def end_lost(
    conn: Conn, reason: str, now_ms: int, limit: int, *, unheld: bool
) -> list[ParticipantRecord]:
    """End at most ``limit`` joins that have not ended and whose node is none of `nodes` any more; those.

    ``unheld``: those of no node too, from a time before there were nodes.
    """
    held = "node IS NULL OR" if unheld else "node IS NOT NULL AND"  # NULL is in no list, an empty one included
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM participants WHERE left_at_ms IS NULL"
        f" AND ({held} node NOT IN (SELECT id FROM nodes))"
        " ORDER BY joined_at_ms, id LIMIT $1",
        limit,
    )
    for row in rows:
        await set_left(conn, row["id"], reason, now_ms)
    return [_filled(row) for row in rows]


async def page(
    conn: Conn, meeting_id: str, *, active: bool | None, after: tuple[int, str] | None, limit: int
) -> list[ParticipantRecord]:
    """At most ``limit`` joins in their order, after the one with (joined_at_ms, id) ``after``.

    ``active``: only those that have not ended (True) or have (False).
    """
    conditions = ["meeting_id = $1"]
    args: list[object] = [meeting_id]
    if active is not None:
        conditions.append("left_at_ms IS NULL" if active else "left_at_ms IS NOT NULL")
    if after is not None:
        args.extend(after)
        conditions.append("(joined_at_ms > $2 OR (joined_at_ms = $2 AND id > $3))")
    args.append(limit)
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM participants WHERE {' AND '.join(conditions)}"
        f" ORDER BY joined_at_ms, id LIMIT ${len(args)}",
        *args,
    )
    return [_filled(row) for row in rows]


async def has_joined(conn: Conn, meeting_id: str, user_id: str) -> bool:
    """Whether this account was ever in the meeting."""
    sql = "SELECT id FROM participants WHERE meeting_id = $1 AND user_id = $2 LIMIT 1"
    return await conn.fetchval(sql, meeting_id, user_id) is not None


async def member(conn: Conn, meeting_id: str, subject: str) -> Member | None:
    """What this account or guest is in the meeting; None when nothing was ever said about it."""
    row = await conn.fetchrow(
        "SELECT meeting_id, subject, role, kicked_at_ms FROM members WHERE meeting_id = $1 AND subject = $2",
        meeting_id,
        subject,
    )
    if row is None:
        return None
    return Member(**{name: row[name] for name in Member.__struct_fields__})


async def set_member_role(conn: Conn, meeting_id: str, subject: str, role: MeetingRole) -> None:
    """Remember the role of an account or guest for its next joins."""
    await conn.execute(
        "INSERT INTO members (meeting_id, subject, role) VALUES ($1, $2, $3)"
        " ON CONFLICT (meeting_id, subject) DO UPDATE SET role = excluded.role",
        meeting_id,
        subject,
        role,
    )


async def set_kicked(conn: Conn, meeting_id: str, subject: str, now_ms: int) -> None:
    """Remember that an account or guest was removed and may not come back."""
    await conn.execute(
        "INSERT INTO members (meeting_id, subject, role, kicked_at_ms) VALUES ($1, $2, 'participant', $3)"
        " ON CONFLICT (meeting_id, subject) DO UPDATE SET kicked_at_ms = excluded.kicked_at_ms,"
        " role = excluded.role",
        meeting_id,
        subject,
        now_ms,
    )


def _filled(row: Row) -> ParticipantRecord:
    return ParticipantRecord(**{name: row[name] for name in ParticipantRecord.__struct_fields__})
