"""Rows of a running meeting, written in order by one task beside it, many in one transaction.

Owns the queue between a meeting's task, which never waits for the disk, and the database: jobs that came together
are committed together, so a hundred joins at once cost a few transactions. While the database cannot be reached rows
wait here and chat lines are refused; a row that the database refuses for good (its account was deleted meanwhile) is
logged and left out, and does not take its batch with it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog
import trio

from appliance.errors import UserError
from appliance.store.database import Conn, Database, DatabaseError, DatabaseUnavailableError

_log = structlog.get_logger(__name__)

Statement = Callable[[Conn], Awaitable[Any]]

# Jobs of one transaction: about 10 ms of SQLite, so that other writers are not kept waiting longer.
_MAX_BATCH = 64
# While the database is away: often enough to go on soon, seldom enough not to be the load that keeps it away.
_RETRY_S = 0.5
# Lines that may wait for the disk; more means that the disk has stopped, and the author must know.
_MAX_WAITING_LINES = 256


@dataclass(eq=False, slots=True)
class _Job:
    name: str
    statement: Statement
    on_done: Callable[[Any], Awaitable[None]] | None
    on_failed: Callable[[UserError], Awaitable[None]] | None
    """Given: the job is refused when the database is away, instead of waiting."""


class Records:
    """The queue and its writer; `serve` runs beside the meeting's task."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._jobs: deque[_Job] = deque()
        self._wake = trio.Event()
        self._lines = 0
        self._closing = False
        self.written = 0
        self.refused = 0

    def add(
        self, name: str, statement: Statement, on_done: Callable[[Any], Awaitable[None]] | None = None
    ) -> None:
        """Write a row some time soon, after all before it. ``on_done`` gets what the statement returned."""
        self._put(_Job(name, statement, on_done, None))

    def add_line(
        self,
        statement: Statement,
        on_done: Callable[[Any], Awaitable[None]],
        on_failed: Callable[[UserError], Awaitable[None]],
    ) -> None:
        """Write a chat line, or call ``on_failed``. UserError 503 ``busy`` when too many wait."""
        if self._lines >= _MAX_WAITING_LINES:
            raise UserError(503, "busy", "messages cannot be stored fast enough", retry_after_s=1.0)
        self._lines += 1
        self._put(_Job("chat", statement, on_done, on_failed))

    def close(self) -> None:
        """No more jobs: `serve` returns when all are written."""
        self._closing = True
        self._wake.set()

    async def serve(self) -> None:
        """Write until closed and empty. Cancelled, it may be called again to write what is left."""
        while True:
            while self._jobs:
                await self._write([self._jobs.popleft() for _ in range(min(_MAX_BATCH, len(self._jobs)))])
            if self._closing:
                return
            await self._wake.wait()
            self._wake = trio.Event()

    def _put(self, job: _Job) -> None:
        if self._closing:
            raise RuntimeError("records are closed")
        self._jobs.append(job)
        self._wake.set()

    async def _write(self, batch: list[_Job]) -> None:
        try:
            # Cancelled half-way one would not know what is stored; the database bounds its own time.
            with trio.CancelScope(shield=True):
                results = await self._database.run(_run_all, [job.statement for job in batch])
        except DatabaseUnavailableError as error:
            await self._wait_out(batch, error)
        except DatabaseError as error:
            if len(batch) > 1:
                for job in batch:
                    await self._write([job])
            else:
                await self._give_up(batch[0], error)
        else:
            self.written += len(batch)
            for job, result in zip(batch, results, strict=True):
                self._forget_line(job)
                if job.on_done is not None:
                    await job.on_done(result)

    async def _wait_out(self, batch: list[_Job], error: DatabaseUnavailableError) -> None:
        _log.warning("database_unavailable", waiting=len(self._jobs) + len(batch), error=str(error))
        self._jobs.extendleft(job for job in reversed(batch) if job.on_failed is None)
        for job in batch:
            if job.on_failed is not None:
                self._forget_line(job)
                await job.on_failed(UserError(503, "unavailable", "the database is away", retry_after_s=1.0))
        await trio.sleep(_RETRY_S)

    async def _give_up(self, job: _Job, error: DatabaseError) -> None:
        self.refused += 1
        self._forget_line(job)
        _log.error("row_refused", row=job.name, error=str(error))
        if job.on_failed is not None:
            await job.on_failed(UserError(500, "not_stored", "the message could not be stored"))

    def _forget_line(self, job: _Job) -> None:
        if job.on_failed is not None:
            self._lines -= 1


async def _run_all(conn: Conn, statements: Sequence[Statement]) -> list[Any]:
    return [await statement(conn) for statement in statements]
