"""The job queue: how many it carries out a second, how soon it picks one up, how often it wakes for nothing.

Both engines, each beside a peer in the same run: sixteen workers that poll the same table, as job queues without
wake-ups do (claim one, carry it out, say so; a tenth of a second's sleep when there is none). Jobs do nothing, each is
ordered in a transaction of its own by one of sixteen callers, and everything shares one process and this machine.

    python tests/load/jobs.py [--quick] [--engine sqlite|postgresql]

Throughput: from the first order to the last end. Pick-up: from the call that orders a job to its handler's first step,
the commit included, the queue idle. Idle: transactions a minute while nothing happens. SQLite syncs each commit as it
does by default; the PostgreSQL is the tests' (fsync off).
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import msgspec  # noqa: E402
import structlog  # noqa: E402
import trio  # noqa: E402

from appliance.jobs.places import JobContext  # noqa: E402
from appliance.jobs.registry import Registry  # noqa: E402
from appliance.store import jobs  # noqa: E402
from appliance.store.database import Conn, Database  # noqa: E402
from tests.load.generator import table  # noqa: E402
from tests.support.databases import open_test_database  # noqa: E402
from tests.support.postgres import running_postgres  # noqa: E402
from tests.support.queued_jobs import Number, now_ms, number_type, working  # noqa: E402

SEED = 4
JOBS, QUICK_JOBS = 5000, 1200
PICK_UPS, QUICK_PICK_UPS = 500, 120
# Longer than `runner.LOOK_EACH_S`, so that at least one look is in it.
IDLE_S, QUICK_IDLE_S = 60.0, 10.5
CALLERS = 16
PLACES = 16
POLL_S = 0.1
# Between two jobs of the pick-up measurement, so that the queue sleeps again.
PAUSE_MOST_S = 0.06
TARGET_JOBS_PER_S = 500
TARGET_PICK_UP_P99_MS = 100

TYPE = number_type("bench.nothing")
Handler = Callable[[int], None]
Worker = Callable[[Database, Handler], AbstractAsyncContextManager[None]]
"""Works for the length of the block."""


@asynccontextmanager
async def ours(database: Database, handler: Handler) -> AsyncIterator[None]:
    """The product's runner."""

    async def handle(_context: JobContext, payload: Number) -> None:
        handler(payload.n)

    def fill(registry: Registry) -> None:
        registry.task(TYPE, handle)

    async with working(database, fill, places=PLACES):
        yield


@asynccontextmanager
async def polling(database: Database, handler: Handler) -> AsyncIterator[None]:
    """The peer."""

    async def work() -> None:
        while True:
            claimed = await database.run(_claim_one, now_ms())
            if claimed is None:
                await trio.sleep(POLL_S)
                continue
            handler(msgspec.json.decode(claimed[1], type=Number).n)
            await database.run(_finish_one, claimed[0], now_ms())

    async with trio.open_nursery() as nursery:
        for _ in range(PLACES):
            nursery.start_soon(work)
        yield
        nursery.cancel_scope.cancel()


async def _claim_one(conn: Conn, at_ms: int) -> tuple[str, str] | None:
    postgresql = conn.dialect == "postgresql"
    if postgresql:
        await conn.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    row = await conn.fetchrow(
        "SELECT id, payload FROM jobs WHERE state = 'waiting' AND run_at_ms <= $1 ORDER BY rank_ms, id LIMIT 1"
        + (" FOR UPDATE SKIP LOCKED" if postgresql else ""),
        at_ms,
    )
    if row is None:
        return None
    await conn.execute(
        "UPDATE jobs SET state = 'running', attempts = attempts + 1, worker = 'peer', started_at_ms = $2,"
        " lease_until_ms = $3 WHERE id = $1",
        row["id"],
        at_ms,
        at_ms + 30_000,
    )
    return row["id"], row["payload"]


async def _finish_one(conn: Conn, job_id: str, at_ms: int) -> None:
    if conn.dialect == "postgresql":
        await conn.execute("SET TRANSACTION ISOLATION LEVEL READ COMMITTED")
    await conn.execute(
        "UPDATE jobs SET state = 'done', finished_at_ms = $2, worker = NULL, lease_until_ms = NULL WHERE id = $1",
        job_id,
        at_ms,
    )


async def _order(database: Database, n: int) -> None:
    await database.run(jobs.enqueue, TYPE.order(Number(n), now_ms=now_ms()))


async def throughput(database: Database, worker: Worker, count: int) -> float:
    """Jobs a second from order to end."""
    left = count

    def handled(_n: int) -> None:
        nonlocal left
        left -= 1

    async def caller(first: int) -> None:
        for n in range(first, count, CALLERS):
            await _order(database, n)

    async with worker(database, handled):
        began = time.perf_counter()
        async with trio.open_nursery() as nursery:
            for first in range(CALLERS):
                nursery.start_soon(caller, first)
        while left or await database.read(_unfinished):  # noqa: ASYNC110  # other transactions
            await trio.sleep(0.01)
        return count / (time.perf_counter() - began)


async def _unfinished(conn: Conn) -> int:
    return int(await conn.fetchval("SELECT COUNT(*) FROM jobs WHERE state IN ('waiting', 'running')"))


async def pick_up_ms(database: Database, worker: Worker, count: int) -> list[float]:
    """Milliseconds from ordering to beginning, sorted."""
    chance = random.Random(SEED)
    times: list[float] = []
    begun = trio.Event()

    def handled(_n: int) -> None:
        times.append((time.perf_counter() - ordered) * 1000)
        begun.set()

    async with worker(database, handled):
        for n in range(count):
            await trio.sleep(chance.uniform(0.01, PAUSE_MOST_S))
            begun = trio.Event()
            ordered = time.perf_counter()
            await _order(database, n)
            await begun.wait()
    return sorted(times)


async def idle_per_minute(database: Database, worker: Worker, seconds: float) -> float:
    """Transactions a minute while there is nothing to do."""
    async with worker(database, lambda _n: None):
        await trio.sleep(0.3)
        before = database.statistics()["transactions"]
        await trio.sleep(seconds)
        return (database.statistics()["transactions"] - before) * 60 / seconds


async def measure(
    open_one: Callable[[], AbstractAsyncContextManager[Database]], worker: Worker, *, quick: bool
) -> dict[str, float]:
    """All figures of one worker on one engine, each on a database of its own."""
    async with open_one() as database:
        per_s = await throughput(database, worker, QUICK_JOBS if quick else JOBS)
    async with open_one() as database:
        times = await pick_up_ms(database, worker, QUICK_PICK_UPS if quick else PICK_UPS)
        idle = await idle_per_minute(database, worker, QUICK_IDLE_S if quick else IDLE_S)
    cuts = statistics.quantiles(times, n=100)
    return {
        "jobs_per_s": round(per_s, 1),
        "pick_up_p50_ms": round(cuts[49], 2),
        "pick_up_p99_ms": round(cuts[98], 2),
        "idle_transactions_per_min": round(idle, 1),
    }


async def both_workers(
    open_one: Callable[[], AbstractAsyncContextManager[Database]], *, quick: bool
) -> dict[str, dict[str, float]]:
    """Ours and the peer, one after the other."""
    workers: tuple[tuple[str, Worker], ...] = (("ours", ours), ("polling", polling))
    return {name: await measure(open_one, worker, quick=quick) for name, worker in workers}


def measure_sqlite(*, quick: bool) -> dict[str, dict[str, float]]:
    with tempfile.TemporaryDirectory(prefix="parley-jobs-") as name:
        numbers = iter(range(1000))

        def open_one() -> AbstractAsyncContextManager[Database]:
            folder = Path(name) / str(next(numbers))
            folder.mkdir()
            return open_test_database(folder)

        return _run(lambda: both_workers(open_one, quick=quick))


def measure_postgresql(*, quick: bool) -> dict[str, dict[str, float]]:
    with running_postgres() as postgres:
        return _run(lambda: both_workers(lambda: open_test_database(postgres.new_database()), quick=quick))


def _run(main: Callable[[], Awaitable[dict[str, dict[str, float]]]]) -> dict[str, dict[str, float]]:
    sys.setswitchinterval(0.0005)  # as the server does
    return trio.run(main)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="within 50 s")
    parser.add_argument("--engine", choices=("sqlite", "postgresql"), help="only this one")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    load_before = os.getloadavg()[0]
    engines = {"sqlite": measure_sqlite, "postgresql": measure_postgresql}
    chosen = [arguments.engine] if arguments.engine else list(engines)
    figures = {engine: engines[engine](quick=arguments.quick) for engine in chosen}
    columns = ("engine", "worker", "jobs/s", "pick-up p50 ms", "p99 ms", "idle transactions/min")
    rows = [
        (engine, worker, *(f"{value:.1f}" for value in values.values()))
        for engine, workers in figures.items()
        for worker, values in workers.items()
    ]
    table.show(f"jobs, load average {load_before:.1f} before", columns, rows)
    first = figures[chosen[0]]
    met = first["ours"]["jobs_per_s"] >= TARGET_JOBS_PER_S and first["ours"]["pick_up_p99_ms"] < TARGET_PICK_UP_P99_MS
    print(f"\ntarget of {TARGET_JOBS_PER_S} jobs/s and p99 < {TARGET_PICK_UP_P99_MS} ms: {'met' if met else 'missed'}")
    ours_per_s, peer_per_s = first["ours"]["jobs_per_s"], first["polling"]["jobs_per_s"]
    result = {
        "bench": "jobs",
        "unit": "jobs/s",
        "ours": ours_per_s,
        "peer": peer_per_s,
        "ratio": round(ours_per_s / peer_per_s, 2),
        "detail": {"engine": chosen[0], "load_average": round(load_before, 2), **figures},
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
