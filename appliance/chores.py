"""The job runner wired to the store, and the jobs that keep the house clean.

Owns the wiring (`StoreQueue`: each call of `jobs.ports.Queue` is one transaction of `store`) and the recurring jobs
of the server itself; refuses to know when they run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Concatenate, ParamSpec, TypeVar

from appliance.job_records import CHANNEL, Due, JobState, Order, Turn, Turned, Vanished
from appliance.jobs.places import JobContext
from appliance.jobs.ports import QueueUnavailableError, Wakeups
from appliance.jobs.registry import Registry
from appliance.jobs.schedule import Daily, Every
from appliance.jobs.types import JobType, NoPayload
from appliance.settings import Settings
from appliance.store import job_runs, jobs, notifications, outbox, reports, sessions, transcripts, vision
from appliance.store.database import Conn, Database, DatabaseUnavailableError

P = ParamSpec("P")
T = TypeVar("T")

_DAY_MS = 86_400_000

FORGET_SESSIONS = JobType(name="sessions.forget", payload=NoPayload, priority="low", at_once=1)
"""Sign-ins that expired are forgotten each hour; how late does not matter, each is refused by its time anyway."""
FORGET_JOBS = JobType(name="jobs.forget", payload=NoPayload, priority="low", at_once=1)
"""Finished jobs are forgotten once a day, at an hour of UTC when few people meet in Europe."""
FORGET_EVENTS = JobType(name="events.forget", payload=NoPayload, priority="low", at_once=1)
"""Events that everybody was told of are forgotten with them."""
FORGET_NOTIFICATIONS = JobType(name="notifications.forget", payload=NoPayload, priority="low", at_once=1)
"""And the history of notifications."""

FORGET_VISION = JobType(name="vision.forget", payload=NoPayload, priority="low", at_once=1)
"""And what was found in pictures."""
FORGET_TRANSCRIPTS = JobType(name="transcripts.forget", payload=NoPayload, priority="low", at_once=1)
"""And what was said, with the reports that quote it."""


class StoreQueue:
    """`jobs.ports.Queue` over the database."""

    def __init__(self, database: Database, *, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms

    @asynccontextmanager
    async def listen(self) -> AsyncIterator[Wakeups]:
        """See `Queue.listen`."""
        async with self._database.listen(CHANNEL) as listener:
            yield listener

    async def begin(self, plans: Mapping[str, tuple[str, int]]) -> Sequence[Vanished]:
        """See `Queue.begin`. On SQLite this is the only server (it holds the data folder): all that runs is lost."""
        return await self._run(_begin, plans, self._now_ms(), alone=self._database.dialect == "sqlite")

    async def turn(self, asked: Turn) -> Turned:
        """See `Queue.turn`."""
        return await self._run(job_runs.turn, asked)

    async def tick(self, due: Due, next_at_ms: int, order: Order) -> bool:
        """See `Queue.tick`."""
        return await self._run(_tick, due, next_at_ms, order)

    async def count(self) -> Mapping[JobState, int]:
        """See `Queue.count`."""
        try:
            return await self._database.read(jobs.count)
        except DatabaseUnavailableError as error:
            raise QueueUnavailableError(str(error)) from error

    async def _run(self, fn: Callable[Concatenate[Conn, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return await self._database.run(fn, *args, **kwargs)
        except DatabaseUnavailableError as error:
            raise QueueUnavailableError(str(error)) from error


async def _begin(conn: Conn, plans: Mapping[str, tuple[str, int]], now_ms: int, *, alone: bool) -> list[Vanished]:
    for name, (rule, next_at_ms) in plans.items():
        await job_runs.plan(conn, name, rule=rule, next_at_ms=next_at_ms)
    return await job_runs.take_back_all(conn, now_ms) if alone else []


async def _forget_transcript(conn: Conn, before_ms: int) -> int:
    """A meeting's, if there is one that is old: one transaction each."""
    meeting_id = await transcripts.oldest_meeting(conn, before_ms)
    if meeting_id is None:
        return 0
    await reports.remove_meeting(conn, meeting_id)
    return await transcripts.remove_meeting(conn, meeting_id)


async def _tick(conn: Conn, due: Due, next_at_ms: int, order: Order) -> bool:
    if not await job_runs.tick(conn, due, next_at_ms):
        return False
    await jobs.enqueue(conn, order)
    return True


def add_chores(
    registry: Registry,
    database: Database,
    settings: Settings,
    *,
    subscribers: Collection[str],
    now_ms: Callable[[], int],
) -> None:
    """Bind the server's own jobs and say when they recur. ``subscribers``: names of those who are owed events."""

    async def in_slices(
        forget: Callable[Concatenate[Conn, P], Awaitable[int]], *args: P.args, **named: P.kwargs
    ) -> int:
        # a transaction each: on SQLite everybody's writes wait for one
        forgotten = 0
        while count := await database.run(forget, *args, **named):
            forgotten += count
        return forgotten

    async def forget_sessions(_context: JobContext, _payload: NoPayload) -> int:
        return await in_slices(sessions.delete_expired, now_ms())

    async def forget_jobs(_context: JobContext, _payload: NoPayload) -> int:
        return await in_slices(jobs.delete_finished, now_ms() - settings.jobs.keep_done_days * _DAY_MS)

    async def forget_events(_context: JobContext, _payload: NoPayload) -> int:
        return await in_slices(outbox.forget, subscribers, now_ms() - settings.bus.keep_days * _DAY_MS)

    async def forget_notifications(_context: JobContext, _payload: NoPayload) -> int:
        return await in_slices(notifications.forget, now_ms() - settings.notifications.keep_days * _DAY_MS)

    async def forget_vision(_context: JobContext, _payload: NoPayload) -> int:
        return await in_slices(vision.forget, now_ms() - settings.vision.keep_days * _DAY_MS)

    async def forget_transcripts(_context: JobContext, _payload: NoPayload) -> int:
        days = settings.captions.keep_days
        return await in_slices(_forget_transcript, now_ms() - days * _DAY_MS) if days else 0

    registry.task(FORGET_TRANSCRIPTS, forget_transcripts)
    registry.task(FORGET_SESSIONS, forget_sessions)
    registry.task(FORGET_EVENTS, forget_events)
    registry.task(FORGET_NOTIFICATIONS, forget_notifications)
    registry.task(FORGET_JOBS, forget_jobs)
    registry.task(FORGET_VISION, forget_vision)
    registry.recur("sessions.forget", FORGET_SESSIONS, NoPayload(), Every(3600))
    registry.recur("jobs.forget", FORGET_JOBS, NoPayload(), Daily(3))
    registry.recur("events.forget", FORGET_EVENTS, NoPayload(), Daily(3))
    registry.recur("transcripts.forget", FORGET_TRANSCRIPTS, NoPayload(), Daily(3))
    registry.recur("vision.forget", FORGET_VISION, NoPayload(), Daily(3))
    registry.recur("notifications.forget", FORGET_NOTIFICATIONS, NoPayload(), Daily(3))
