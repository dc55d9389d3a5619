"""Transcripts: queries on the table ``transcript_segments``.

Owns the rows, and which of them an account may see, in SQL. Refuses to know how they came about.
"""

from __future__ import annotations

import msgspec

from appliance.store.database import Conn, Row
from appliance.store.filters import Filters
from appliance.store.users import fold

_COLUMNS = "id, meeting_id, participant_id, name, start_ms, end_ms, text, language"


class Segment(msgspec.Struct, frozen=True, kw_only=True):
    """One phrase of one speaker. Times: milliseconds since the Unix epoch."""

    id: str
    meeting_id: str
    participant_id: str
    name: str
    start_ms: int
    end_ms: int
    text: str
    language: str


class FoundSegment(Segment, frozen=True, kw_only=True):
    """One that was searched for."""

    code: str
    """Of its meeting."""
    title: str


async def insert(conn: Conn, *, segment: Segment) -> None:
    """Store a phrase, unless its meeting was deleted meanwhile; one that is there already stays as it is."""
    is_kept = "SELECT 1 FROM meetings WHERE id = $1 AND deleted_at_ms IS NULL"
    if await conn.fetchval(is_kept, segment.meeting_id) is None:
        return
    values = [getattr(segment, field) for field in Segment.__struct_fields__]
    added = await conn.execute(
        f"INSERT INTO transcript_segments ({_COLUMNS}, search_key) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " ON CONFLICT (id) DO NOTHING",
        *values,
        fold(segment.text),
    )
    if added and conn.dialect == "sqlite":
        await conn.execute("INSERT INTO transcript_numbers (segment_id) VALUES ($1)", segment.id)
        await conn.execute(f"INSERT INTO transcript_grams (rowid, search_key) {_NUMBERED} WHERE s.id = $1", segment.id)


async def remove_meeting(conn: Conn, meeting_id: str) -> int:
    """Delete what was said in a meeting; how many phrases."""
    if conn.dialect == "sqlite":
        numbered = _NUMBERED.replace("SELECT", "SELECT 'delete',", 1)
        await conn.execute(
            f"INSERT INTO transcript_grams (transcript_grams, rowid, search_key) {numbered} WHERE s.meeting_id = $1",
            meeting_id,
        )
        numbers = "DELETE FROM transcript_numbers WHERE segment_id IN"
        await conn.execute(f"{numbers} (SELECT id FROM transcript_segments WHERE meeting_id = $1)", meeting_id)
    return await conn.execute("DELETE FROM transcript_segments WHERE meeting_id = $1", meeting_id)


async def oldest_meeting(conn: Conn, before_ms: int) -> str | None:
    """A meeting of which something is kept, and nothing that was said at or after that time; None: there is none."""
    of_it = "SELECT 1 FROM transcript_segments s WHERE s.meeting_id = m.id"
    found = await conn.fetchval(
        f"SELECT m.id FROM meetings m WHERE EXISTS ({of_it}) AND NOT EXISTS ({of_it} AND s.start_ms >= $1) LIMIT 1",
        before_ms,
    )
    return None if found is None else str(found)


async def exists(conn: Conn, meeting_id: str) -> bool:
    """Whether anything is kept of what was said."""
    query = "SELECT 1 FROM transcript_segments WHERE meeting_id = $1 LIMIT 1"
    return await conn.fetchval(query, meeting_id) is not None


async def between(conn: Conn, meeting_id: str, from_ms: int, to_ms: int) -> list[Segment]:
    """What was said in a meeting in that time, in its order."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS} FROM transcript_segments WHERE meeting_id = $1 AND end_ms > $2 AND start_ms < $3"
        " ORDER BY start_ms, id",
        meeting_id,
        from_ms,
        to_ms,
    )
    return [_filled(row) for row in rows]


async def page(
    conn: Conn, meeting_id: str, *, present_id: str | None, after: tuple[int, str] | None, limit: int
) -> list[Segment]:
    """At most ``limit`` phrases of a meeting in the order of speaking, after the one with (start_ms, id) ``after``.

    ``present_id``: only what was said while this account was there. None: everything.
    """
    filters = Filters()
    filters.add("s.meeting_id = {}", meeting_id)
    if present_id is not None:
        filters.add(_PRESENT, present_id)
    filters.beyond("s.start_ms", after, ident="s.id", order=">")
    columns = ", ".join(f"s.{name}" for name in _COLUMNS.split(", "))
    sql = f"SELECT {columns} FROM transcript_segments s{filters.where} ORDER BY s.start_ms, s.id"
    rows = await conn.fetch(f"{sql} LIMIT {filters.place(limit)}", *filters.args)
    return [_filled(row) for row in rows]


async def search(
    conn: Conn,
    text: str,
    *,
    viewer_id: str | None,
    after: tuple[int, str] | None,
    limit: int,
    meeting: str | None = None,
    speaker: str | None = None,
) -> list[FoundSegment]:
    """At most ``limit`` phrases that hold the text, whatever its case, newest first, after (start_ms, id) ``after``.

    ``viewer_id``: those that this account may see. None: everybody's. ``meeting``: only in this one, by its id or code.
    ``speaker``: only of people with this name.
    """
    folded = fold(text)
    filters = Filters("t.deleted_at_ms IS NULL")
    filters.contains("s.search_key", folded)
    await _by_grams(conn, filters, folded)
    if meeting is not None:
        filters.add("t.id = {} OR t.code = {}", meeting)
    filters.equal(**{"s.name": speaker})
    if viewer_id is not None:
        filters.add(_VISIBLE, viewer_id)
    filters.beyond("s.start_ms", after, ident="s.id")
    columns = ", ".join(f"s.{name}" for name in _COLUMNS.split(", "))
    rows = await conn.fetch(
        f"SELECT {columns}, t.code, t.title FROM transcript_segments s JOIN meetings t ON t.id = s.meeting_id"
        f"{filters.where} ORDER BY s.start_ms DESC, s.id DESC LIMIT {filters.place(limit)}",
        *filters.args,
    )
    return [FoundSegment(**{name: row[name] for name in FoundSegment.__struct_fields__}) for row in rows]


async def _by_grams(conn: Conn, filters: Filters, folded: str) -> None:
    """Only rows that have all the text's groups of letters, by the index; one letter alone has none.

    What is said all the time is found sooner among the newest rows: PostgreSQL's planner knows, SQLite is told.
    """
    if len(folded) < 2:
        return
    size = min(len(folded), 3)
    grams = list(dict.fromkeys(folded[at : at + size] for at in range(len(folded) - size + 1)))[:_MOST_GRAMS]
    if conn.dialect == "postgresql":
        places = ", ".join(filters.place(gram) for gram in grams)
        filters.always(f"transcript_grams(s.search_key) @> ARRAY[{places}]::TEXT[]")
    elif size == 3:
        places = ", ".join(f"${number}" for number in range(1, len(grams) + 1))
        rarest = f"SELECT MIN(doc) FROM transcript_gram_terms WHERE term IN ({places})"
        if (await conn.fetchval(rarest, *grams) or 0) < _FREQUENT:
            filters.add(_BY_GRAMS.replace("?", "{}"), " AND ".join(_quoted(gram) for gram in grams))
    else:
        together = f"SELECT SUM(doc) FROM transcript_gram_terms WHERE {_BEGINS.replace('{}', '$1')}"
        if (await conn.fetchval(together, folded) or 0) < _FREQUENT:
            filters.add(_BY_GRAMS.replace("?", _BEGINNING), folded)


def _quoted(gram: str) -> str:
    """A string of FTS5's query language."""
    return '"' + gram.replace('"', '""') + '"'


# What SQLite's index has of a phrase: as in its migration.
_NUMBERED = (
    "SELECT n.number, s.search_key || ' ' FROM transcript_numbers n JOIN transcript_segments s ON s.id = n.segment_id"
)
# More make a query dearer and leave hardly fewer rows; the whole text is looked for in those that are left.
_MOST_GRAMS = 24
_BY_GRAMS = (
    "s.id IN (SELECT segment_id FROM transcript_numbers WHERE number IN ("
    "SELECT rowid FROM transcript_grams WHERE transcript_grams MATCH ?))"
)
# Rows that each cost 3 us to look up; beyond 10 ms of them, going through the newest rows is as fast.
_FREQUENT = 3000
# Two letters: every trigram that begins with them. U+10FFFF sorts after all that follows them.
_BEGINS = "term >= {} AND term < {} || char(1114111)"
_BEGINNING = (
    "(SELECT COALESCE(group_concat('\"' || replace(term, '\"', '\"\"') || '\"', ' OR '), '\"\"')"
    f" FROM transcript_gram_terms WHERE {_BEGINS})"
)
# Somebody's connection was in the room while it was said.
_PRESENT = (
    "EXISTS (SELECT 1 FROM participants p WHERE p.meeting_id = s.meeting_id AND p.user_id = {}"
    " AND p.joined_at_ms <= s.end_ms AND (p.left_at_ms IS NULL OR p.left_at_ms >= s.start_ms))"
)
# As recordings (`store.recordings`): whoever planned the meeting; hosts and cohosts; with `participants` what was said
# while they were there; whoever was removed from the meeting nothing. Meetings first, by the account's indexes.
_VISIBLE = f"""(
    s.meeting_id IN (
        SELECT id FROM meetings WHERE creator_id = {{}}
        UNION SELECT meeting_id FROM members
            WHERE subject = {{}} AND role IN ('host', 'cohost') AND kicked_at_ms IS NULL)
    OR (s.meeting_id IN (
        SELECT p.meeting_id FROM participants p JOIN meetings m ON m.id = p.meeting_id
            WHERE p.user_id = {{}} AND m.recording_access = 'participants' AND p.meeting_id NOT IN (
                SELECT meeting_id FROM members WHERE subject = {{}} AND kicked_at_ms IS NOT NULL))
        AND {_PRESENT}))"""


def _filled(row: Row) -> Segment:
    return Segment(**{name: row[name] for name in Segment.__struct_fields__})
