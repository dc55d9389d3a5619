"""Recordings: queries on the table ``recordings``.

Owns the rows and their life, and writes the event of each step in its transaction:

    recording ⇄ paused → processing → ready
                             │  ⇡
                             └→ failed, cancelled      (⇡ processed again, while the journals are there)

A deleted recording keeps its row, seen by nobody, until its files are gone too (`purge`). Refuses to decide who may see
what and to touch a file. Each order of processing has a number (``run``), and what an older run has to say
counts no more: `store.recording_runs` has what runs do.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from appliance.events.catalogue import AnyEvent, RecordingFailed, RecordingStarted, RecordingStopped
from appliance.events.envelope import envelop
from appliance.store import outbox
from appliance.store.database import Conn, Row
from appliance.store.filters import Filters

RecordingStatus = Literal["recording", "paused", "processing", "ready", "failed", "cancelled"]
Layout = Literal["speaker", "grid", "screen"]

# Reasons after which a meeting's recording goes on by itself: nobody decided to end it.
SERVER_STOPPING = "server stopping"


class Track(msgspec.Struct, frozen=True, kw_only=True):
    """One participant's microphone, camera or screen, as a file of its own."""

    id: str
    participant_id: str
    name: str
    """Of the participant."""
    source: str
    codec: str
    key: str
    """In the object storage."""
    media_type: str
    bytes: int
    start_ms: int
    """From the recording's start."""
    duration_ms: int


class Chapter(msgspec.Struct, frozen=True, kw_only=True):
    """A mark in the recording."""

    start_ms: int
    title: str


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far processing is; of one that runs, and whose film is made meanwhile: of what was recorded so far."""

    share: float
    """0 to 1."""
    stage: str
    time_left_s: float | None


class Recording(msgspec.Struct, frozen=True, kw_only=True):
    """One recording. Times in milliseconds since the Unix epoch."""

    id: str
    meeting_id: str
    title: str
    status: RecordingStatus
    layout: Layout
    started_by_id: str | None
    """None: the meeting records itself, or the account is gone."""
    started_by_name: str | None
    started_at_ms: int
    stopped_at_ms: int | None
    stop_reason: str | None
    recovered: bool
    duration_ms: int | None
    bytes: int | None
    """Of all its files; before they are made, of its journals."""
    video_key: str | None
    """Of one that is ready, always."""
    video_type: str | None
    thumbnail_key: str | None
    captions_key: str | None
    tracks: tuple[Track, ...]
    chapters: tuple[Chapter, ...]
    error: str | None
    node: str
    """Whose disk holds the journals."""
    has_journals: bool
    run: int
    progress: Progress | None
    deleted_at_ms: int | None
    loose_keys: tuple[str, ...]
    """Of objects that nobody is led to: being stored, or left by a run that was killed."""

    @property
    def keys(self) -> list[str]:
        """Names of all its objects."""
        return [*_listed(self), *self.loose_keys]


class NewRecording(msgspec.Struct, frozen=True, kw_only=True):
    """What is known when a recording begins."""

    id: str
    meeting_id: str
    title: str
    layout: Layout
    started_by_id: str | None
    started_by_name: str | None
    started_at_ms: int
    node: str


class Outputs(msgspec.Struct, frozen=True, kw_only=True):
    """The files that were made of a recording, and what they hold."""

    duration_ms: int
    bytes: int
    video_key: str
    video_type: str
    thumbnail_key: str | None
    captions_key: str | None
    tracks: tuple[Track, ...]
    chapters: tuple[Chapter, ...]

    @property
    def keys(self) -> list[str]:
        """Names of the objects."""
        return _listed(self)


def _listed(of: Recording | Outputs) -> list[str]:
    known = (of.video_key, of.thumbnail_key, of.captions_key, *(track.key for track in of.tracks))
    return [key for key in known if key is not None]


_FIELDS = tuple(Recording.__struct_fields__)
COLUMNS = ", ".join(_FIELDS)
_NEW = tuple(NewRecording.__struct_fields__)


async def start(conn: Conn, new: NewRecording) -> None:
    """Add a recording that runs; told as `RecordingStarted`."""
    values = [getattr(new, name) for name in _NEW]
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    await conn.execute(
        f"INSERT INTO recordings ({', '.join(_NEW)}, status, recovered, tracks, chapters, has_journals, run)"
        f" VALUES ({places}, 'recording', FALSE, '[]', '[]', TRUE, 0)",
        *values,
    )
    event = RecordingStarted(meeting_id=new.meeting_id, recording_id=new.id, by_user_id=new.started_by_id)
    await tell(conn, event, f"evt_{new.id}_started", new.started_at_ms)


async def set_paused(conn: Conn, recording_id: str, paused: bool) -> bool:
    """Whether this call paused a running one, or let a paused one go on. When is in the journals."""
    before, after = ("recording", "paused") if paused else ("paused", "recording")
    sql = "UPDATE recordings SET status = $3 WHERE id = $1 AND status = $2"
    return await conn.execute(sql, recording_id, before, after) == 1


async def set_made(conn: Conn, recording_id: str, progress: Progress) -> bool:
    """Whether it runs; how much of its film is there."""
    sql = "UPDATE recordings SET progress = $2 WHERE id = $1 AND status IN ('recording', 'paused')"
    return await conn.execute(sql, recording_id, msgspec.json.encode(progress).decode()) == 1


async def stop(conn: Conn, recording_id: str, *, reason: str, recovered: bool, now_ms: int) -> bool:
    """Whether this call ended it; told as `RecordingStopped`. The caller orders its processing, run 1, with it."""
    changed = await conn.execute(
        "UPDATE recordings SET status = 'processing', run = 1, stopped_at_ms = $2, stop_reason = $3, recovered = $4,"
        " progress = NULL"
        " WHERE id = $1 AND status IN ('recording', 'paused')",
        recording_id,
        now_ms,
        reason,
        recovered,
    )
    if not changed:
        return False
    found = await by_id(conn, recording_id)
    assert found is not None  # just changed
    event = RecordingStopped(meeting_id=found.meeting_id, recording_id=found.id, reason=reason)
    await tell(conn, event, f"evt_{found.id}_stopped", now_ms)
    return True


async def by_id(conn: Conn, recording_id: str) -> Recording | None:
    """The recording, also one that was deleted, or None."""
    row = await conn.fetchrow(f"SELECT {COLUMNS} FROM recordings WHERE id = $1", recording_id)
    return None if row is None else filled(row)


async def page(
    conn: Conn, *, viewer_id: str | None, meeting_id: str | None, after: tuple[int, str] | None, limit: int
) -> list[Recording]:
    """At most ``limit`` recordings, newest first, after the one with (started_at_ms, id) ``after``.

    ``viewer_id``: those that this account may see (`may_see` in SQL). None: everybody's.
    """
    filters = Filters("deleted_at_ms IS NULL")
    if viewer_id is not None:
        filters.add(f"id IN ({_VISIBLE.format(only='')})", viewer_id)
    filters.equal(meeting_id=meeting_id)
    filters.beyond("started_at_ms", after)
    sql = f"SELECT {COLUMNS} FROM recordings{filters.where} ORDER BY started_at_ms DESC, id DESC"
    rows = await conn.fetch(f"{sql} LIMIT {filters.place(limit)}", *filters.args)
    return [filled(row) for row in rows]


# Whoever planned the meeting; who started it, hosts and cohosts, and with `participants` who was there while it ran:
# these three unless they were removed from the meeting. Each part begins with an index of the account, so that a list
# costs by what somebody may see and not by what there is.
_REMOVED = "SELECT meeting_id FROM members WHERE subject = $1 AND kicked_at_ms IS NOT NULL"
_VISIBLE = f"""
    SELECT r.id FROM meetings t JOIN recordings r ON r.meeting_id = t.id WHERE t.creator_id = $1 {{only}}
    UNION SELECT r.id FROM recordings r WHERE r.started_by_id = $1 AND r.meeting_id NOT IN ({_REMOVED}) {{only}}
    UNION SELECT r.id FROM members m JOIN recordings r ON r.meeting_id = m.meeting_id
        WHERE m.subject = $1 AND m.role IN ('host', 'cohost') AND m.kicked_at_ms IS NULL {{only}}
    UNION SELECT r.id FROM participants p JOIN meetings t ON t.id = p.meeting_id
        JOIN recordings r ON r.meeting_id = p.meeting_id
        WHERE p.user_id = $1 AND t.recording_access = 'participants' AND p.meeting_id NOT IN ({_REMOVED})
        AND (r.stopped_at_ms IS NULL OR p.joined_at_ms <= r.stopped_at_ms)
        AND (p.left_at_ms IS NULL OR p.left_at_ms >= r.started_at_ms) {{only}}"""


async def may_see(conn: Conn, recording_id: str, user_id: str) -> bool:
    """Whether this account may see the recording: by its place in the meeting, or having been there."""
    return await conn.fetchval(_VISIBLE.format(only="AND r.id = $2"), user_id, recording_id) is not None


async def open_of(conn: Conn, node: str) -> list[Recording]:
    """What is said to be running on a node, oldest first."""
    rows = await conn.fetch(
        f"SELECT {COLUMNS} FROM recordings WHERE node = $1 AND status IN ('recording', 'paused')"
        " ORDER BY started_at_ms, id",
        node,
    )
    return [filled(row) for row in rows]


async def was_interrupted(conn: Conn, meeting_id: str, since_ms: int) -> bool:
    """Whether the meeting's last recording ended since then because the server did."""
    row = await conn.fetchrow(
        "SELECT stop_reason, recovered, stopped_at_ms FROM recordings WHERE meeting_id = $1"
        " ORDER BY started_at_ms DESC, id DESC LIMIT 1",
        meeting_id,
    )
    if row is None or row["stopped_at_ms"] is None or row["stopped_at_ms"] < since_ms:
        return False
    return bool(row["recovered"]) or row["stop_reason"] == SERVER_STOPPING


async def fail(conn: Conn, recording_id: str, *, error: str, now_ms: int, run: int | None = None) -> bool:
    """Whether this call gave it up; told as `RecordingFailed`. ``error`` is for people. ``run`` None: whichever."""
    changed = await conn.execute(
        "UPDATE recordings SET status = 'failed', error = $2, progress = NULL,"
        " stopped_at_ms = COALESCE(stopped_at_ms, CAST($3 AS BIGINT)) WHERE id = $1"
        " AND (CAST($4 AS BIGINT) IS NULL OR run = $4) AND status IN ('recording', 'paused', 'processing')",
        recording_id,
        error,
        now_ms,
        run,
    )
    if not changed:
        return False
    found = await by_id(conn, recording_id)
    assert found is not None  # just changed
    event = RecordingFailed(meeting_id=found.meeting_id, recording_id=found.id, reason=error)
    await tell(conn, event, f"evt_{found.id}_failed_{found.run}", now_ms)
    return True


# --- the end ---------------------------------------------------------------------------------------------------------


async def delete(conn: Conn, recording_id: str, now_ms: int) -> bool:
    """Whether this call took it from people, with the links to it; not while it runs. Its files are still to go."""
    changed = await conn.execute(
        "UPDATE recordings SET deleted_at_ms = $2 WHERE id = $1 AND deleted_at_ms IS NULL"
        " AND status NOT IN ('recording', 'paused')",
        recording_id,
        now_ms,
    )
    if changed:
        await conn.execute("DELETE FROM recording_shares WHERE recording_id = $1", recording_id)
    return changed == 1


async def purge(conn: Conn, recording_id: str) -> bool:
    """Whether the row of a deleted one is gone now; its files must be."""
    return await conn.execute("DELETE FROM recordings WHERE id = $1 AND deleted_at_ms IS NOT NULL", recording_id) == 1


async def deleted(conn: Conn, limit: int) -> list[Recording]:
    """At most ``limit`` deleted ones whose files are still to go, the longest deleted first."""
    rows = await conn.fetch(
        f"SELECT {COLUMNS} FROM recordings WHERE deleted_at_ms IS NOT NULL ORDER BY deleted_at_ms, id LIMIT $1", limit
    )
    return [filled(row) for row in rows]


async def ended_before(conn: Conn, before_ms: int, limit: int) -> list[str]:
    """Ids of at most ``limit`` recordings that are over and ended before, oldest first."""
    rows = await conn.fetch(
        "SELECT id FROM recordings WHERE status IN ('ready', 'failed', 'cancelled') AND deleted_at_ms IS NULL"
        " AND stopped_at_ms < $1 ORDER BY stopped_at_ms, id LIMIT $2",
        before_ms,
        limit,
    )
    return [row["id"] for row in rows]


async def beyond(conn: Conn, most_bytes: int) -> list[str]:
    """Ids of the oldest recordings that are over, so many that what is left takes at most ``most_bytes``."""
    total = int(await conn.fetchval("SELECT COALESCE(SUM(bytes), 0) FROM recordings WHERE deleted_at_ms IS NULL"))
    if total <= most_bytes:
        return []
    rows = await conn.fetch(
        "SELECT id, bytes FROM recordings WHERE status IN ('ready', 'failed', 'cancelled') AND deleted_at_ms IS NULL"
        " AND bytes > 0 ORDER BY stopped_at_ms, id"
    )
    ids = []
    for row in rows:
        if total <= most_bytes:
            break
        ids.append(row["id"])
        total -= int(row["bytes"])
    return ids


async def tell(conn: Conn, event: AnyEvent, event_id: str, now_ms: int) -> None:
    """Add an event of a recording; the id makes it one, however often it is told."""
    await outbox.add(conn, envelop(event, event_id=event_id, at_ms=now_ms))


def filled(row: Row) -> Recording:
    """The recording in a row of `COLUMNS`."""
    values = {name: row[name] for name in _FIELDS}
    for name in ("recovered", "has_journals"):
        values[name] = bool(row[name])  # SQLite has numbers
    values["tracks"] = msgspec.json.decode(row["tracks"], type=tuple[Track, ...])
    values["chapters"] = msgspec.json.decode(row["chapters"], type=tuple[Chapter, ...])
    values["loose_keys"] = msgspec.json.decode(row["loose_keys"], type=tuple[str, ...])
    progress = row["progress"]
    values["progress"] = None if progress is None else msgspec.json.decode(progress, type=Progress)
    return Recording(**values)
