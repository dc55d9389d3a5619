"""SQLite: one writer thread and one reader thread, each driving repository coroutines with a single ``send(None)``.

Owns the file, its pragmas and the translation of SQLite's errors; refuses to know tables. A connection's methods
never suspend, so a coroutine that awaits only them runs to its end at once; one that awaits anything else is a bug
and is told so.

Write-ahead log: readers do not block the writer and a killed process loses nothing that was committed.
``synchronous = FULL`` syncs the log at each commit, so that a power cut loses nothing either: 0.33 ms a commit on
the machine where it was measured, against 0.02 ms for NORMAL. Transactions that wait together share one commit.
"""

from __future__ import annotations

import collections
import contextvars
import queue
import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast

import outcome
import structlog
import trio

from appliance.errors import ConfigError
from appliance.settings import DatabaseSettings
from appliance.store.database import (
    Conn,
    DatabaseError,
    DatabaseUnavailableError,
    ForeignKeyViolationError,
    Row,
    UniqueViolationError,
    check_texts,
)
from appliance.store.wakeups import Listener, Switchboard, check_channel

P = ParamSpec("P")
T = TypeVar("T")
_log = structlog.get_logger(__name__)

# Transactions that share one commit. Bounds how long the first of them waits for the last: 64 of about 0.1 ms.
_GROUP_MAX = 64
# Pages of 4 KiB after which SQLite copies the log into the file (its own default), so that the log stays small.
_CHECKPOINT_PAGES = 1000
_UNIQUE = re.compile(r"^UNIQUE constraint failed: (.+)$")


class _Job:
    """One transaction asked for by a trio task."""

    __slots__ = ("cancelled", "context", "fn", "lock", "started", "task")

    def __init__(self, fn: Callable[[Conn], Awaitable[Any]], task: trio.lowlevel.Task) -> None:
        self.fn = fn
        self.task = task
        self.context = contextvars.copy_context()
        self.lock = threading.Lock()
        self.started = False
        self.cancelled = False

    def start(self) -> bool:
        """Claim it for the thread; False when its task was cancelled first."""
        with self.lock:
            if self.cancelled:
                return False
            self.started = True
            return True

    def cancel(self) -> bool:
        """Claim it for cancellation; False when the thread has it already, which then runs it to its end."""
        with self.lock:
            if self.started:
                return False
            self.cancelled = True
            return True


class _SqliteConn:
    """The `Conn` of one transaction; its coroutines never suspend."""

    dialect: Literal["sqlite"] = "sqlite"

    def __init__(self, raw: sqlite3.Connection, *, writer: bool) -> None:
        self._raw = raw
        self._writer = writer
        self._broken: BaseException | None = None
        self.notified: set[str] = set()

    async def fetch(self, sql: str, *args: Any) -> list[Row]:
        return cast(list[Row], self._do(sql, args, sqlite3.Cursor.fetchall))

    async def fetchrow(self, sql: str, *args: Any) -> Row | None:
        rows = self._do(sql, args, sqlite3.Cursor.fetchall)
        return cast(Row, rows[0]) if rows else None

    async def fetchval(self, sql: str, *args: Any) -> Any:
        rows = self._do(sql, args, sqlite3.Cursor.fetchall)
        return rows[0][0] if rows else None

    async def execute(self, sql: str, *args: Any) -> int:
        return cast(int, self._do(sql, args, lambda cursor: max(cursor.rowcount, 0)))

    async def notify(self, channel: str) -> None:
        check_channel(channel)
        if not self._writer:
            raise DatabaseError("a read-only transaction notifies nobody")
        self.notified.add(channel)

    def _do(self, sql: str, args: tuple[Any, ...], take: Callable[[sqlite3.Cursor], Any]) -> Any:
        if self._broken is not None:  # as PostgreSQL has it: after an error the transaction is over
            raise DatabaseError("the transaction has failed already") from self._broken
        check_texts(args)
        try:
            cursor = self._raw.execute(sql, {str(number): value for number, value in enumerate(args, 1)})
            try:
                return take(cursor)
            finally:
                cursor.close()
        except sqlite3.Error as error:
            self._broken = error
            raise _translate(error) from error


def _translate(error: sqlite3.Error) -> Exception:
    text = str(error)
    match = _UNIQUE.match(text)
    if match:
        columns = [part.strip() for part in match[1].split(",")]
        table = columns[0].partition(".")[0]
        return UniqueViolationError(table, tuple(column.rpartition(".")[2] for column in columns))
    if text.startswith("FOREIGN KEY constraint failed"):
        return ForeignKeyViolationError("a row that is referred to does not exist")
    if isinstance(error, sqlite3.OperationalError) and _is_outage(error):
        return DatabaseUnavailableError(text)
    return DatabaseError(text)


def _is_outage(error: sqlite3.OperationalError) -> bool:
    # Primary codes of SQLite: locked too long, disk full, I/O error, file gone, read-only, not authorised.
    primary = error.sqlite_errorcode & 0xFF
    return primary in {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_READONLY,
    }


class _Thread:
    """One connection in one thread, fed by a queue; results go back with one wake-up for many."""

    def __init__(self, name: str, raw: sqlite3.Connection, wake: Callable[[str], None], *, writer: bool) -> None:
        self._raw = raw
        self._wake = wake
        self._notified: set[str] = set()  # by the group under way
        self._to_wake: collections.deque[str] = collections.deque()
        self._writer = writer
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._token = trio.lowlevel.current_trio_token()
        self._results: collections.deque[tuple[_Job, outcome.Outcome[Any]]] = collections.deque()
        self.transactions = 0
        self.commits = 0
        self.failures = 0
        self._os_thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._os_thread.start()

    async def submit(self, fn: Callable[[Conn], Awaitable[T]]) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()
        job = _Job(fn, trio.lowlevel.current_task())

        def abort(_raise_cancel: object) -> trio.lowlevel.Abort:
            return trio.lowlevel.Abort.SUCCEEDED if job.cancel() else trio.lowlevel.Abort.FAILED

        self._jobs.put(job)
        result: T = await trio.lowlevel.wait_task_rescheduled(abort)
        return result

    def queued(self) -> int:
        return self._jobs.qsize()

    async def close(self) -> None:
        self._jobs.put(None)
        with trio.CancelScope(shield=True):  # what is queued is finished; each transaction is short
            await trio.to_thread.run_sync(self._os_thread.join)

    # --- in the thread -----------------------------------------------------------------------------------------

    def _run(self) -> None:
        last = False
        while not last:
            group: list[_Job] = []
            job = self._jobs.get()
            while True:
                if job is None:
                    last = True
                    break
                if job.start():
                    group.append(job)
                if len(group) >= _GROUP_MAX:
                    break
                try:
                    job = self._jobs.get_nowait()
                except queue.Empty:
                    break
            if group:
                self._run_group(group)
        self._raw.close()

    def _run_group(self, group: list[_Job]) -> None:
        results: list[outcome.Outcome[Any]] = []
        self._notified.clear()
        try:
            self._raw.execute("BEGIN IMMEDIATE" if self._writer else "BEGIN DEFERRED")
            try:
                for job in group:
                    results.append(self._run_job(job))
                self._raw.execute("COMMIT")
            except BaseException:
                if self._raw.in_transaction:
                    self._raw.execute("ROLLBACK")
                raise
            self.commits += 1
        except Exception as error:  # none of them happened; the thread must live on, or callers would wait for ever
            failure = _translate(error) if isinstance(error, sqlite3.Error) else error
            results = [outcome.Error(failure) for _ in group]
            self._notified.clear()
        self._to_wake.extend(self._notified)
        self.transactions += len(group)
        self.failures += sum(isinstance(result, outcome.Error) for result in results)
        for job, result in zip(group, results, strict=True):
            self._results.append((job, result))
        try:
            self._token.run_sync_soon(self._deliver, idempotent=True)
        except trio.RunFinishedError:  # nobody is left to hear it
            return

    def _run_job(self, job: _Job) -> outcome.Outcome[Any]:
        """Run one transaction as a savepoint of the group's: its failure undoes it alone."""
        self._raw.execute("SAVEPOINT job")
        conn = _SqliteConn(self._raw, writer=self._writer)
        result = job.context.run(_drive, job.fn, conn)
        if isinstance(result, outcome.Error):
            if not self._raw.in_transaction:
                # A full disk or an I/O error may undo everything (sqlite.org/lang_transaction.html §3): tell everybody.
                raise DatabaseUnavailableError(f"the transaction was undone: {result.error}") from result.error
            self._raw.execute("ROLLBACK TO job")
        else:
            self._notified |= conn.notified
        self._raw.execute("RELEASE job")
        return result

    # --- in trio -----------------------------------------------------------------------------------------------

    def _deliver(self) -> None:
        while self._results:
            job, result = self._results.popleft()
            trio.lowlevel.reschedule(job.task, result)
        while self._to_wake:
            self._wake(self._to_wake.popleft())


def _drive(fn: Callable[[Conn], Awaitable[Any]], conn: _SqliteConn) -> outcome.Outcome[Any]:
    """Run a coroutine that never suspends to its end."""
    coroutine = cast(Coroutine[Any, Any, Any], fn(conn))
    try:
        coroutine.send(None)
    except StopIteration as stop:
        if conn._broken is not None:
            return outcome.Error(DatabaseError("an error of the transaction was swallowed"))
        return outcome.Value(stop.value)
    except BaseException as error:
        return outcome.Error(error)
    coroutine.close()
    return outcome.Error(RuntimeError("a repository function awaited something other than its connection"))


class SqliteDatabase:
    """`Database` over one file."""

    dialect: Literal["sqlite"] = "sqlite"

    def __init__(self, writer: _Thread, reader: _Thread, switchboard: Switchboard) -> None:
        """Built by `open_sqlite` only."""
        self._writer = writer
        self._reader = reader
        self._switchboard = switchboard

    async def run(self, fn: Callable[Concatenate[Conn, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Database.run`."""
        return await self._writer.submit(lambda conn: fn(conn, *args, **kwargs))

    async def read(self, fn: Callable[Concatenate[Conn, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Database.read`."""
        return await self._reader.submit(lambda conn: fn(conn, *args, **kwargs))

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Listener]:
        """See `Database.listen`."""
        with self._switchboard.listener(channel) as listener:
            yield listener

    def statistics(self) -> dict[str, float]:
        """See `Database.statistics`; ``commits`` counts groups."""
        return {
            "connections": 2,
            "connections_idle": 2 - (self._writer.queued() > 0) - (self._reader.queued() > 0),
            "queued": self._writer.queued() + self._reader.queued(),
            "transactions": self._writer.transactions + self._reader.transactions,
            "commits": self._writer.commits,
            "retries": 0,
            "failures": self._writer.failures + self._reader.failures,
        }


@asynccontextmanager
async def open_sqlite(settings: DatabaseSettings, path: Path) -> AsyncIterator[SqliteDatabase]:
    """Open or make the file; ConfigError when it cannot be used."""
    try:
        raw_writer = _connect(path, settings, writer=True)
        raw_reader = _connect(path, settings, writer=False)
    except sqlite3.Error as error:
        raise ConfigError(f"database: {path}: {error}") from error
    switchboard = Switchboard()
    writer = _Thread("sqlite-writer", raw_writer, switchboard.wake, writer=True)
    reader = _Thread("sqlite-reader", raw_reader, switchboard.wake, writer=False)
    try:
        yield SqliteDatabase(writer, reader, switchboard)
    finally:
        await reader.close()
        await writer.close()


def _connect(path: Path, settings: DatabaseSettings, *, writer: bool) -> sqlite3.Connection:
    sqlite3.register_converter("BOOLEAN", lambda raw: raw != b"0")
    raw = sqlite3.connect(
        path,
        timeout=settings.busy_timeout_s,  # another process, as `parley user add`, may hold the write lock
        isolation_level=None,  # transactions are begun by hand
        check_same_thread=False,  # made here, used in its thread, closed there
        detect_types=sqlite3.PARSE_DECLTYPES,
        cached_statements=512,
    )
    raw.row_factory = sqlite3.Row
    try:
        mode = raw.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise sqlite3.OperationalError(f"the file system allows no write-ahead log, journal mode is {mode}")
        raw.execute(f"PRAGMA synchronous = {settings.synchronous.upper()}")
        raw.execute("PRAGMA foreign_keys = ON")
        raw.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
        raw.execute("PRAGMA trusted_schema = OFF")
        if not writer:
            raw.execute("PRAGMA query_only = ON")
    except BaseException:
        raw.close()
        raise
    return raw
