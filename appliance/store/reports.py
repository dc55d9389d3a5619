"""Meeting reports: queries on the table ``reports``.

Owns the rows: which report was asked for last, and the content of the last that was made. Refuses to know what a report
holds (`reports`) and how far the job is that makes it (`jobs`).
"""

from __future__ import annotations

import msgspec

from appliance.store import transcripts
from appliance.store.database import Conn

_COLUMNS = "meeting_id, run, asked_at_ms, made_run, made_at_ms, content"


class StoredReport(msgspec.Struct, frozen=True, kw_only=True):
    """A meeting's report. Times: milliseconds since the Unix epoch."""

    meeting_id: str
    run: int
    """Counts how often one was asked for."""
    asked_at_ms: int
    made_run: int | None
    """Which of them ``content`` is of; None before the first is made."""
    made_at_ms: int | None
    content: str | None
    """JSON."""


async def ask(conn: Conn, meeting_id: str, now_ms: int) -> int | None:
    """Note that a report is wanted; the number of the run, None where nothing is kept of what was said."""
    is_kept = "SELECT 1 FROM meetings WHERE id = $1 AND deleted_at_ms IS NULL"
    if await conn.fetchval(is_kept, meeting_id) is None or not await transcripts.exists(conn, meeting_id):
        return None
    run = await conn.fetchval(
        "INSERT INTO reports (meeting_id, run, asked_at_ms) VALUES ($1, 1, $2)"
        " ON CONFLICT (meeting_id) DO UPDATE SET run = reports.run + 1, asked_at_ms = excluded.asked_at_ms"
        " RETURNING run",
        meeting_id,
        now_ms,
    )
    return int(run)


async def find(conn: Conn, meeting_id: str) -> StoredReport | None:
    """The row, or None when none was ever asked for, or it was deleted."""
    row = await conn.fetchrow(f"SELECT {_COLUMNS} FROM reports WHERE meeting_id = $1", meeting_id)
    return None if row is None else StoredReport(**{name: row[name] for name in StoredReport.__struct_fields__})


async def keep(conn: Conn, meeting_id: str, run: int, content: str, now_ms: int) -> bool:
    """Whether the content was stored: not where it was deleted meanwhile, nor over that of a later run."""
    sql = (
        "UPDATE reports SET made_run = $2, content = $3, made_at_ms = $4"
        " WHERE meeting_id = $1 AND run >= $2 AND (made_run IS NULL OR made_run <= $2)"
    )
    return await conn.execute(sql, meeting_id, run, content, now_ms) == 1


async def remove_meeting(conn: Conn, meeting_id: str) -> None:
    """Delete a meeting's report: it quotes what was said, and goes with it."""
    await conn.execute("DELETE FROM reports WHERE meeting_id = $1", meeting_id)
