"""What workers do to jobs: one transaction a turn, and the schedules of recurring ones.

Owns the statements; refuses to decide. A turn writes down how attempts ended, renews leases, takes back jobs whose
worker vanished and claims new ones, all in one transaction, so that a busy worker costs a few transactions a second
and not two for each job.

On PostgreSQL a turn runs READ COMMITTED: each of its statements is right by itself (the row is checked as it is
changed, ``SKIP LOCKED`` parts the workers), and in serializable isolation turns of two workers, which scan the same
index, would undo each other for nothing.
"""

from __future__ import annotations

from appliance.job_records import Claimed, Due, Ended, Room, Turn, Turned, Vanished
from appliance.store.database import Conn, Row

_CLAIMED = "id, type, payload, idempotency_key, meeting_id, attempts, max_attempts, run_at_ms"
_GIVE_UP = "CASE WHEN attempts >= max_attempts THEN 'dead' WHEN cancel_requested THEN 'cancelled' ELSE 'waiting' END"
_TAKE_BACK = (
    f"UPDATE jobs SET state = {_GIVE_UP}, error = 'the worker vanished: ' || worker, worker = NULL,"
    " lease_until_ms = NULL, finished_at_ms = CASE WHEN attempts >= max_attempts OR cancel_requested"
    " THEN CAST($1 AS BIGINT) ELSE NULL END WHERE state = 'running'"
)


async def turn(conn: Conn, asked: Turn) -> Turned:
    """One turn of a worker."""
    await _loosen(conn)
    refused = [ended.job_id for ended in asked.ended if not await _end(conn, asked, ended)]
    for progress in asked.progress:
        await conn.execute(
            "UPDATE jobs SET progress_share = $4, progress_note = $5"
            " WHERE id = $1 AND state = 'running' AND worker = $2 AND attempts = $3",
            progress.job_id,
            asked.worker,
            progress.attempt,
            progress.share,
            progress.note,
        )
    held: frozenset[str] | None = None
    if asked.renew:
        rows = await conn.fetch(
            "UPDATE jobs SET lease_until_ms = $2 WHERE state = 'running' AND worker = $1 RETURNING id",
            asked.worker,
            asked.lease_until_ms,
        )
        held = frozenset(row["id"] for row in rows)
    vanished = await conn.fetch(
        f"{_TAKE_BACK} AND lease_until_ms <= CAST($1 AS BIGINT) RETURNING id, type, state", asked.now_ms
    )
    to_cancel = await conn.fetch(
        "SELECT id FROM jobs WHERE state = 'running' AND worker = $1 AND cancel_requested", asked.worker
    )
    claimed = await _claim(conn, asked)
    due, next_at_ms = await _look_ahead(conn, asked)
    return Turned(
        claimed=tuple(claimed),
        refused=frozenset(refused),
        held=held,
        to_cancel=frozenset(row["id"] for row in to_cancel),
        vanished=tuple(_vanished(row) for row in vanished),
        due=tuple(due),
        next_at_ms=next_at_ms,
    )


async def take_back_all(conn: Conn, now_ms: int) -> list[Vanished]:
    """Take back every running job: for a start of the only worker that this database has."""
    return [_vanished(row) for row in await conn.fetch(f"{_TAKE_BACK} RETURNING id, type, state", now_ms)]


async def plan(conn: Conn, name: str, *, rule: str, next_at_ms: int) -> None:
    """Write a schedule down; one that is there with the same rule keeps its next time."""
    await conn.execute(
        "INSERT INTO job_schedules (name, rule, next_at_ms) VALUES ($1, $2, $3) ON CONFLICT (name) DO UPDATE"
        " SET rule = excluded.rule, next_at_ms = excluded.next_at_ms WHERE job_schedules.rule <> excluded.rule",
        name,
        rule,
        next_at_ms,
    )


async def tick(conn: Conn, due: Due, next_at_ms: int) -> bool:
    """Move a schedule on; False when somebody else has done so, and the job is theirs to write."""
    sql = "UPDATE job_schedules SET next_at_ms = $3 WHERE name = $1 AND next_at_ms = $2"
    return await conn.execute(sql, due.name, due.at_ms, next_at_ms) == 1


async def _loosen(conn: Conn) -> None:
    if conn.dialect == "postgresql":
        await conn.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")


async def _end(conn: Conn, asked: Turn, ended: Ended) -> bool:
    """Whether the attempt was still this worker's. What would wait for another attempt heeds a request to cancel."""
    waits = ended.verdict in ("failed", "released")
    changed = await conn.execute(
        "UPDATE jobs SET state = CASE WHEN cancel_requested AND CAST($4 AS TEXT) = 'waiting' THEN 'cancelled'"
        " ELSE CAST($4 AS TEXT) END, result = $5, error = COALESCE($6, error), attempts = attempts - $7,"
        " rank_ms = rank_ms - run_at_ms + COALESCE(CAST($8 AS BIGINT), run_at_ms),"
        " run_at_ms = COALESCE(CAST($8 AS BIGINT), run_at_ms), finished_at_ms = CASE WHEN"
        " CAST($4 AS TEXT) = 'waiting' AND NOT cancel_requested THEN NULL ELSE CAST($9 AS BIGINT) END,"
        " worker = NULL, lease_until_ms = NULL, cancel_requested = FALSE"
        " WHERE id = $1 AND state = 'running' AND worker = $2 AND attempts = $3",
        ended.job_id,
        asked.worker,
        ended.attempt,
        "waiting" if waits else ended.verdict,
        ended.result,
        ended.error,
        1 if ended.verdict == "released" else 0,
        ended.run_at_ms,
        asked.now_ms,
    )
    return changed == 1


async def _claim(conn: Conn, asked: Turn) -> list[Claimed]:
    candidates: list[tuple[int, str]] = []
    for room in asked.rooms:
        candidates += await _first(conn, asked, room)
    ids = [job_id for _, job_id in sorted(candidates)[: asked.limit]]
    if not ids:
        return []
    places = ", ".join(f"${number}" for number in range(4, len(ids) + 4))
    rows = await conn.fetch(
        "UPDATE jobs SET state = 'running', attempts = attempts + 1, worker = $1, lease_until_ms = $2,"
        " started_at_ms = $3, progress_share = NULL, progress_note = NULL"
        f" WHERE id IN ({places}) RETURNING {_CLAIMED}",
        asked.worker,
        asked.lease_until_ms,
        asked.now_ms,
        *ids,
    )
    return sorted((_claimed(row) for row in rows), key=lambda job: ids.index(job.id))


async def _first(conn: Conn, asked: Turn, room: Room) -> list[tuple[int, str]]:
    """The first jobs of a room that are due, as many as it has places."""
    limit = min(room.free, asked.limit)
    if limit <= 0 or not room.types:
        return []
    places = ", ".join(f"${number}" for number in range(5, len(room.types) + 5))
    lock = " FOR UPDATE SKIP LOCKED" if conn.dialect == "postgresql" else ""
    rows = await conn.fetch(
        "SELECT rank_ms, id FROM jobs WHERE state = 'waiting' AND rank_ms <= $1 AND run_at_ms <= $2"
        f" AND (node IS NULL OR node = $4) AND type IN ({places}) ORDER BY rank_ms, id LIMIT $3{lock}",
        asked.horizon_ms,
        asked.now_ms,
        limit,
        asked.node,
        *room.types,
    )
    return [(row["rank_ms"], row["id"]) for row in rows]


async def _look_ahead(conn: Conn, asked: Turn) -> tuple[list[Due], int | None]:
    """Schedules that are due, and when the next thing is."""
    times: list[int] = []
    if asked.types:
        places = ", ".join(f"${number}" for number in range(3, len(asked.types) + 3))
        times.append(
            await conn.fetchval(
                "SELECT MIN(run_at_ms) FROM jobs WHERE state = 'waiting' AND run_at_ms > $1"
                f" AND (node IS NULL OR node = $2) AND type IN ({places})",
                asked.now_ms,
                asked.node,
                *asked.types,
            )
        )
    times.append(
        await conn.fetchval(
            "SELECT MIN(lease_until_ms) FROM jobs WHERE state = 'running' AND worker <> $1", asked.worker
        )
    )
    due: list[Due] = []
    if asked.schedules:
        for row in await conn.fetch("SELECT name, next_at_ms FROM job_schedules"):
            if row["name"] not in asked.schedules:
                continue
            if row["next_at_ms"] <= asked.now_ms:
                due.append(Due(name=row["name"], at_ms=row["next_at_ms"]))
            else:
                times.append(row["next_at_ms"])
    return due, min((time for time in times if time is not None), default=None)


def _claimed(row: Row) -> Claimed:
    return Claimed(
        id=row["id"],
        type=row["type"],
        payload=row["payload"],
        idempotency_key=row["idempotency_key"],
        meeting_id=row["meeting_id"],
        attempt=row["attempts"],
        max_attempts=row["max_attempts"],
        run_at_ms=row["run_at_ms"],
    )


def _vanished(row: Row) -> Vanished:
    return Vanished(id=row["id"], type=row["type"], state=row["state"])
