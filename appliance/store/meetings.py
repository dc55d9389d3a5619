"""Meetings: queries on the table ``meetings``.

Owns the rows, their codes and the life of a meeting (scheduled → active → ended, or cancelled). Refuses to decide
who may do what, and who is in the room now (`live`). A deleted meeting keeps its row: its messages and participants
refer to it, and its code is not given out again.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

import msgspec

from appliance.store.database import Conn, Row
from appliance.store.filters import Filters

MeetingStatus = Literal["scheduled", "active", "ended", "cancelled"]
RecordingAccess = Literal["hosts", "participants"]
RecordingDownload = Literal["everyone", "hosts"]

_COLUMNS = (
    "id, code, title, description, creator_id, status, start_at_ms, end_at_ms, started_at_ms, ended_at_ms, "
    "created_at_ms, updated_at_ms, max_participants, guests_allowed, passcode_hash, locked, auto_record, "
    "recording_consent, recording_access, recording_download, emotion_detection, deepfake_detection"
)


_FLAGS = (
    "guests_allowed", "locked", "auto_record", "recording_consent", "emotion_detection", "deepfake_detection",
)  # fmt: skip


class Meeting(msgspec.Struct, frozen=True, kw_only=True):
    """One meeting. Times in milliseconds since the Unix epoch."""

    id: str
    code: str
    title: str
    description: str
    creator_id: str | None
    """None once the account is gone."""
    status: MeetingStatus
    start_at_ms: int | None
    """Planned."""
    end_at_ms: int | None
    """Planned."""
    started_at_ms: int | None
    ended_at_ms: int | None
    created_at_ms: int
    updated_at_ms: int
    max_participants: int
    guests_allowed: bool
    passcode_hash: str | None
    locked: bool
    auto_record: bool = False
    """Record it whenever it runs."""
    recording_consent: bool = False
    """Record only those who agreed."""
    recording_access: RecordingAccess = "hosts"
    """Who may see its recordings, besides whoever made them and administrators."""
    recording_download: RecordingDownload = "everyone"
    """Who of these may save them too; whoever made them and administrators always."""
    emotion_detection: bool = False
    """Look at the expressions of those who agree whenever it runs."""
    deepfake_detection: bool = False
    """Look for manipulated pictures of those who agree whenever it runs."""


async def insert(conn: Conn, meeting: Meeting) -> None:
    """Add a meeting; its code must be free (see `code_taken`), else UniqueViolationError."""
    values = [getattr(meeting, name) for name in Meeting.__struct_fields__]
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await conn.execute(f"INSERT INTO meetings ({_COLUMNS}) VALUES ({places})", *values)


async def code_taken(conn: Conn, code: str) -> bool:
    """Whether any meeting, also a deleted one, has this code."""
    return await conn.fetchval("SELECT id FROM meetings WHERE code = $1", code) is not None


async def find(conn: Conn, id_or_code: str) -> Meeting | None:
    """The meeting with this id or code; None when there is none or it was deleted."""
    column = "id" if "_" in id_or_code else "code"
    sql = f"SELECT {_COLUMNS} FROM meetings WHERE {column} = $1 AND deleted_at_ms IS NULL"
    row = await conn.fetchrow(sql, id_or_code)
    return None if row is None else _filled(row)


async def find_any(conn: Conn, meeting_id: str) -> Meeting | None:
    """The same by id alone, also one that was deleted: to tell of its end."""
    row = await conn.fetchrow(f"SELECT {_COLUMNS} FROM meetings WHERE id = $1", meeting_id)
    return None if row is None else _filled(row)


async def update(conn: Conn, meeting: Meeting, now_ms: int) -> None:
    """Store what a host may change: texts, planned times, bounds, guests, passcode and recording."""
    await conn.execute(
        "UPDATE meetings SET title = $2, description = $3, start_at_ms = $4, end_at_ms = $5, max_participants = $6,"
        " guests_allowed = $7, passcode_hash = $8, updated_at_ms = $9, locked = $10, auto_record = $11,"
        " recording_consent = $12, recording_access = $13, recording_download = $14,"
        " emotion_detection = $15, deepfake_detection = $16 WHERE id = $1",
        meeting.id,
        meeting.title,
        meeting.description,
        meeting.start_at_ms,
        meeting.end_at_ms,
        meeting.max_participants,
        meeting.guests_allowed,
        meeting.passcode_hash,
        now_ms,
        meeting.locked,
        meeting.auto_record,
        meeting.recording_consent,
        meeting.recording_access,
        meeting.recording_download,
        meeting.emotion_detection,
        meeting.deepfake_detection,
    )


async def set_locked(conn: Conn, meeting_id: str, locked: bool, now_ms: int) -> None:
    """Lock or unlock a meeting."""
    sql = "UPDATE meetings SET locked = $2, updated_at_ms = $3 WHERE id = $1"
    await conn.execute(sql, meeting_id, locked, now_ms)


async def activate(conn: Conn, meeting_id: str, now_ms: int) -> bool:
    """Whether this call started the meeting: only a scheduled one starts, and only once. No node holds it yet."""
    return (
        await conn.execute(
            "UPDATE meetings SET status = 'active', started_at_ms = $2, updated_at_ms = $2, node = NULL"
            " WHERE id = $1 AND status = 'scheduled' AND deleted_at_ms IS NULL",
            meeting_id,
            now_ms,
        )
        == 1
    )


async def hold(conn: Conn, meeting_id: str, node: str) -> bool:
    """Whether the meeting is active; its room is on this node now."""
    sql = "UPDATE meetings SET node = $2 WHERE id = $1 AND status = 'active'"
    return await conn.execute(sql, meeting_id, node) == 1


async def pause(conn: Conn, meeting_id: str, now_ms: int, node: str | None = None) -> bool:
    """Whether this call took a meeting that nobody is in any more back to ``scheduled``: it may start again.

    ``node``: not where its room is on another one by now.
    """
    return (
        await conn.execute(
            "UPDATE meetings SET status = 'scheduled', updated_at_ms = $2 WHERE id = $1 AND status = 'active'"
            " AND (CAST($3 AS TEXT) IS NULL OR node IS NULL OR node = $3)",
            meeting_id,
            now_ms,
            node,
        )
        == 1
    )


async def pause_idle(
    conn: Conn, node: str, running: Collection[str], before_ms: int, now_ms: int
) -> list[Meeting]:
    """Pause every meeting that is said to run on this node, or on none of `nodes`, is not in ``running`` and has not
    changed since ``before_ms``."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM meetings WHERE status = 'active' AND updated_at_ms < $1"
        " AND (node IS NULL OR node = $2 OR node NOT IN (SELECT id FROM nodes))",
        before_ms,
        node,
    )
    idle = [_filled(row) for row in rows if row["id"] not in running]
    return [meeting for meeting in idle if await pause(conn, meeting.id, now_ms)]


async def end(conn: Conn, meeting_id: str, now_ms: int) -> bool:
    """Whether this call ended the meeting; one that never started ends too."""
    return (
        await conn.execute(
            "UPDATE meetings SET status = 'ended', ended_at_ms = $2, updated_at_ms = $2"
            " WHERE id = $1 AND status IN ('scheduled', 'active')",
            meeting_id,
            now_ms,
        )
        == 1
    )


async def delete(conn: Conn, meeting_id: str, now_ms: int) -> bool:
    """Whether this call removed the meeting from the lists; a scheduled one is cancelled, an active one ended."""
    return (
        await conn.execute(
            "UPDATE meetings SET deleted_at_ms = $2, updated_at_ms = $2,"
            " ended_at_ms = CASE WHEN status = 'active' THEN $2 ELSE ended_at_ms END,"
            " status = CASE status WHEN 'scheduled' THEN 'cancelled' WHEN 'active' THEN 'ended' ELSE status END"
            " WHERE id = $1 AND deleted_at_ms IS NULL",
            meeting_id,
            now_ms,
        )
        == 1
    )


async def page(
    conn: Conn,
    *,
    user_id: str | None,
    created_only: bool,
    status: MeetingStatus | None,
    after: tuple[int, str] | None,
    limit: int,
) -> list[Meeting]:
    """At most ``limit`` meetings, newest first, after the one with (created_at_ms, id) ``after``.

    ``user_id``: those that this user created, was invited to or has joined; only created ones with
    ``created_only``. None: everybody's.
    """
    filters = Filters("deleted_at_ms IS NULL")
    if user_id is not None:
        filters.add("creator_id = {}" if created_only else _THEIRS, user_id)
    filters.equal(status=status)
    filters.beyond("created_at_ms", after)
    sql = f"SELECT {_COLUMNS} FROM meetings{filters.where} ORDER BY created_at_ms DESC, id DESC"
    rows = await conn.fetch(f"{sql} LIMIT {filters.place(limit)}", *filters.args)
    return [_filled(row) for row in rows]


_THEIRS = (
    "(creator_id = {} OR id IN (SELECT meeting_id FROM invitations WHERE user_id = {})"
    " OR id IN (SELECT meeting_id FROM participants WHERE user_id = {}))"
)


async def count_by_status(conn: Conn) -> dict[str, int]:
    """How many meetings there are of each status, deleted ones left out."""
    rows = await conn.fetch(
        "SELECT status, COUNT(*) AS meetings FROM meetings WHERE deleted_at_ms IS NULL GROUP BY status"
    )
    return {row["status"]: int(row["meetings"]) for row in rows}


def _filled(row: Row) -> Meeting:
    values = {name: row[name] for name in Meeting.__struct_fields__}
    for name in _FLAGS:
        values[name] = bool(row[name])  # SQLite has numbers
    return Meeting(**values)
