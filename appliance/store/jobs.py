"""Jobs as rows: written with the state change that wants them, looked at and mended by people.

Owns the table ``jobs`` together with `store.job_runs`, which has what workers do. Refuses to decide when a job runs
and how often: the order says it. `enqueue` is called inside the caller's transaction; a job is there if and only if
the change is.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from appliance.job_records import CHANNEL, JobState, Order, Priority
from appliance.store.database import Conn, Row
from appliance.store.filters import Filters

_ORDER = tuple(Order.__struct_fields__)
_PLACES = ", ".join(f"${number}" for number in range(1, len(_ORDER) + 1))


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One job. Times in milliseconds since the Unix epoch."""

    id: str
    type: str
    priority: Priority
    payload: str
    """JSON."""
    idempotency_key: str | None
    meeting_id: str | None
    state: JobState
    attempts: int
    """Begun."""
    max_attempts: int
    run_at_ms: int
    lease_until_ms: int | None
    worker: str | None
    node: str | None
    """Who alone may do it; None: everybody."""
    progress_share: float | None
    progress_note: str | None
    cancel_requested: bool
    result: str | None
    """JSON."""
    error: str | None
    created_at_ms: int
    started_at_ms: int | None
    finished_at_ms: int | None


_COLUMNS = ", ".join(Job.__struct_fields__)


async def enqueue(conn: Conn, order: Order) -> str:
    """Write an order down and return the job's id: that of the first one with the same type and idempotency key.

    The first one counts as long as its row is kept, whatever became of it.
    """
    written = await conn.execute(
        f"INSERT INTO jobs ({', '.join(_ORDER)}, state) VALUES ({_PLACES}, 'waiting')"
        " ON CONFLICT (type, idempotency_key) DO NOTHING",
        *(getattr(order, name) for name in _ORDER),
    )
    if written:
        await conn.notify(CHANNEL)
        return order.id
    sql = "SELECT id FROM jobs WHERE type = $1 AND idempotency_key = $2"
    return str(await conn.fetchval(sql, order.type, order.idempotency_key))


async def by_id(conn: Conn, job_id: str) -> Job | None:
    """The job, or None."""
    row = await conn.fetchrow(f"SELECT {_COLUMNS} FROM jobs WHERE id = $1", job_id)
    return None if row is None else _filled(row)


async def by_key(conn: Conn, type: str, key: str) -> Job | None:
    """The job of this type with this idempotency key, or None."""
    row = await conn.fetchrow(f"SELECT {_COLUMNS} FROM jobs WHERE type = $1 AND idempotency_key = $2", type, key)
    return None if row is None else _filled(row)


async def hasten(conn: Conn, type: str, key_end: str, now_ms: int) -> int:
    """Have waiting jobs of a type whose idempotency key ends so be due now, those that failed included; how many."""
    assert not set(key_end) & set("%_\\"), key_end
    changed = await conn.execute(
        "UPDATE jobs SET rank_ms = rank_ms - run_at_ms + $3, run_at_ms = $3"
        " WHERE type = $1 AND state = 'waiting' AND run_at_ms > $3 AND idempotency_key LIKE '%' || CAST($2 AS TEXT)",
        type,
        key_end,
        now_ms,
    )
    if changed:
        await conn.notify(CHANNEL)
    return changed


async def page(
    conn: Conn, *, state: JobState | None, type: str | None, after: tuple[int, str] | None, limit: int
) -> list[Job]:
    """At most ``limit`` jobs, newest first, after the one with (created_at_ms, id) ``after``."""
    filters = Filters()
    filters.equal(state=state, type=type)
    filters.beyond("created_at_ms", after)
    sql = f"SELECT {_COLUMNS} FROM jobs{filters.where} ORDER BY created_at_ms DESC, id DESC"
    rows = await conn.fetch(f"{sql} LIMIT {filters.place(limit)}", *filters.args)
    return [_filled(row) for row in rows]


async def of_meeting(
    conn: Conn, meeting_id: str, types: Collection[str], *, after: tuple[int, str] | None, limit: int
) -> list[Job]:
    """At most ``limit`` jobs of these types about a meeting, newest first, after (created_at_ms, id) ``after``."""
    assert not set("".join(types)) & set("'\\"), types
    named = ", ".join(f"'{type}'" for type in sorted(types))
    filters = Filters(f"type IN ({named})")
    filters.equal(meeting_id=meeting_id)
    filters.beyond("created_at_ms", after)
    sql = f"SELECT {_COLUMNS} FROM jobs{filters.where} ORDER BY created_at_ms DESC, id DESC"
    rows = await conn.fetch(f"{sql} LIMIT {filters.place(limit)}", *filters.args)
    return [_filled(row) for row in rows]


async def requeue(conn: Conn, job_id: str, now_ms: int) -> bool:
    """Whether a dead or cancelled job was there; it waits again, with all its attempts. Its last error stays."""
    changed = await conn.execute(
        "UPDATE jobs SET state = 'waiting', attempts = 0, rank_ms = rank_ms - run_at_ms + CAST($2 AS BIGINT),"
        " run_at_ms = CAST($2 AS BIGINT), cancel_requested = FALSE, finished_at_ms = NULL,"
        " progress_share = NULL, progress_note = NULL WHERE id = $1 AND state IN ('dead', 'cancelled')",
        job_id,
        now_ms,
    )
    if changed:
        await conn.notify(CHANNEL)
    return changed == 1


async def cancel(conn: Conn, job_id: str, now_ms: int) -> bool:
    """Whether a job was there to cancel: a waiting one is cancelled at once, a running one's worker is told to."""
    waiting = await conn.execute(
        "UPDATE jobs SET state = 'cancelled', finished_at_ms = $2 WHERE id = $1 AND state = 'waiting'", job_id, now_ms
    )
    if waiting:
        return True
    running = await conn.execute(
        "UPDATE jobs SET cancel_requested = TRUE WHERE id = $1 AND state = 'running'", job_id
    )
    if running:
        await conn.notify(CHANNEL)
    return running == 1


async def cancel_waiting(conn: Conn, type: str, meeting_id: str, now_ms: int) -> int:
    """Cancel a meeting's jobs of a type that have not begun; how many."""
    return await conn.execute(
        "UPDATE jobs SET state = 'cancelled', finished_at_ms = $3"
        " WHERE type = $1 AND meeting_id = $2 AND state = 'waiting'",
        type,
        meeting_id,
        now_ms,
    )


async def drop(conn: Conn, job_id: str) -> bool:
    """Whether a dead or cancelled job was there; it is gone, and its idempotency key is free."""
    return await conn.execute("DELETE FROM jobs WHERE id = $1 AND state IN ('dead', 'cancelled')", job_id) == 1


async def delete_finished(conn: Conn, before_ms: int, limit: int = 500) -> int:
    """Forget at most ``limit`` jobs that were done or cancelled before; how many. Dead letters stay until somebody
    drops them."""
    sql = (
        "DELETE FROM jobs WHERE id IN (SELECT id FROM jobs WHERE finished_at_ms < $1 AND state IN ('done', 'cancelled')"
        " LIMIT $2)"
    )
    return await conn.execute(sql, before_ms, limit)


async def count(conn: Conn) -> dict[JobState, int]:
    """How many wait, run and are dead; what is finished well is not counted, there may be many."""
    rows = await conn.fetch(
        "SELECT state, COUNT(*) AS jobs FROM jobs WHERE state IN ('waiting', 'running') GROUP BY state"
        " UNION ALL SELECT 'dead' AS state, COUNT(*) AS jobs FROM jobs"
        " WHERE finished_at_ms IS NOT NULL AND state = 'dead'"
    )
    counted: dict[JobState, int] = {"waiting": 0, "running": 0, "dead": 0}
    for row in rows:
        counted[row["state"]] = int(row["jobs"])
    return counted


def _filled(row: Row) -> Job:
    return Job(**{name: row[name] for name in Job.__struct_fields__})
