"""Jobs for tests: a type, turns of a worker by hand, and a runner on a real database."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import trio

from appliance.chores import StoreQueue
from appliance.job_records import Ended, Room, Turn
from appliance.jobs.registry import Registry
from appliance.jobs.runner import Runner
from appliance.jobs.types import HANDICAP_MAX_MS, JobType
from appliance.store import jobs
from appliance.store.database import Database
from appliance.store.jobs import Job

LEASE_MS = 30_000


class Number(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A payload."""

    n: int


def number_type(name: str = "test.number", **fields: Any) -> JobType[Number]:
    """A type whose failures are retried at once, so that tests need not wait."""
    return JobType(name=name, payload=Number, **{"retry_s": 0.01, **fields})


def a_turn(now_ms: int, *, worker: str = "w1", types: tuple[str, ...] = ("test.number",), **fields: Any) -> Turn:
    """A turn that takes up to ten jobs."""
    defaults: dict[str, Any] = {
        "lease_until_ms": now_ms + LEASE_MS,
        "renew": False,
        "ended": (),
        "progress": (),
        "rooms": (Room(types=types, free=10),),
        "limit": 10,
        "horizon_ms": now_ms + HANDICAP_MAX_MS,
        "schedules": (),
    }
    return Turn(worker=worker, now_ms=now_ms, types=types, **{**defaults, **fields})


def done(job_id: str, attempt: int = 1, **fields: Any) -> Ended:
    return Ended(job_id=job_id, attempt=attempt, **{"verdict": "done", **fields})


class Tally:
    """A `Meter` that remembers."""

    def __init__(self) -> None:
        self.outcomes: Counter[tuple[str, str]] = Counter()
        self.pick_ups_s: list[float] = []

    def picked_up(self, type: str, seconds: float) -> None:
        self.pick_ups_s.append(seconds)

    def ended(self, type: str, outcome: str, seconds: float) -> None:
        self.outcomes[type, outcome] += 1


def now_ms() -> int:
    return time.time_ns() // 1_000_000


class Shop:
    """A database with a runner that works on it."""

    def __init__(self, database: Database, registry: Registry, runner: Runner, tally: Tally) -> None:
        self.database = database
        self.registry = registry
        self.runner = runner
        self.tally = tally

    async def order(self, type: JobType[Any], payload: msgspec.Struct, **fields: Any) -> str:
        """Commit an order; its id."""
        return await self.database.run(jobs.enqueue, type.order(payload, now_ms=now_ms(), **fields))

    async def job(self, job_id: str) -> Job:
        job = await self.database.read(jobs.by_id, job_id)
        assert job is not None
        return job

    async def wait_state(self, job_id: str, *states: str) -> Job:
        """Until the job is in one of these states."""
        while (job := await self.job(job_id)).state not in states:  # noqa: ASYNC110  # another task's transaction
            await trio.sleep(0.005)
        return job


def make_runner(
    database: Database,
    registry: Registry,
    tally: Tally,
    *,
    worker: str = "w1",
    places: int = 8,
    lease_s: float = 30.0,
    clock_ms: Callable[[], int] = now_ms,
    node: str | None = None,
) -> Runner:
    return Runner(
        StoreQueue(database, now_ms=clock_ms),
        registry,
        worker=worker,
        places=places,
        lease_s=lease_s,
        now_ms=clock_ms,
        chance=lambda: 0.5,
        meter=tally,
        node=node,
    )


@asynccontextmanager
async def working(
    database: Database, fill: Callable[[Registry], None], *, processes: int = 1, **fields: Any
) -> AsyncIterator[Shop]:
    """A runner for the length of the block; what still runs at the end is given back."""
    registry, tally = Registry(processes=processes), Tally()
    fill(registry)
    runner = make_runner(database, registry, tally, **fields)
    async with trio.open_nursery() as nursery:
        await nursery.start(runner.serve)
        try:
            yield Shop(database, registry, runner, tally)
        finally:
            with trio.CancelScope(shield=True):
                await runner.release()
