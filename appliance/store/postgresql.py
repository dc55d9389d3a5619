"""PostgreSQL through asyncpg: a pool in the asyncio thread, one crossing for each transaction.

Owns the pool, the retry of transactions that lost against another one, and the translation of errors; refuses to
know tables. `postgresql_listening` has one connection more. Transactions are SERIALIZABLE, so that a repository
function means the same here as on SQLite.

Only serialization failures and deadlocks are retried: the server guarantees that nothing of such a transaction
remains. A connection that breaks is not: whether its commit happened is unknown.
"""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar, cast
from urllib.parse import urlsplit

import asyncpg
import structlog
import trio

from appliance.asyncio_thread import AsyncioThread
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
from appliance.store.postgresql_listening import Listening
from appliance.store.wakeups import Listener, Switchboard, check_channel

P = ParamSpec("P")
T = TypeVar("T")
_log = structlog.get_logger(__name__)

# A transaction that lost this often meets a contention that more attempts would feed.
_ATTEMPTS_MAX = 10
# First pause; doubled each time and drawn at random below, so that two losers part. A transaction takes about 2 ms.
_PAUSE_S = 0.002
# A pool that is closed waits this long for its connections to say goodbye.
_CLOSE_DEADLINE_S = 3.0
_DETAIL_COLUMNS = re.compile(r"\(([^)]*)\)=\(")
_RETRIED = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_OUTAGES = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
    TimeoutError,
)

_Connection = Any  # asyncpg's pool hands out a proxy that no public type names


class _PostgresConn:
    """The `Conn` of one transaction, in the asyncio thread."""

    dialect: Literal["postgresql"] = "postgresql"

    def __init__(self, raw: _Connection, *, readonly: bool) -> None:
        self._raw = raw
        self._readonly = readonly
        self.broken: BaseException | None = None

    async def fetch(self, sql: str, *args: Any) -> list[Row]:
        return cast(list[Row], await self._do(self._raw.fetch, sql, args))

    async def fetchrow(self, sql: str, *args: Any) -> Row | None:
        return cast("Row | None", await self._do(self._raw.fetchrow, sql, args))

    async def fetchval(self, sql: str, *args: Any) -> Any:
        return await self._do(self._raw.fetchval, sql, args)

    async def execute(self, sql: str, *args: Any) -> int:
        status: str = await self._do(self._raw.execute, sql, args)
        count = status.rpartition(" ")[2]  # "UPDATE 3", "INSERT 0 1", "CREATE TABLE"
        return int(count) if count.isdigit() else 0

    async def notify(self, channel: str) -> None:
        check_channel(channel)
        if self._readonly:
            raise DatabaseError("a read-only transaction notifies nobody")
        await self._do(self._raw.execute, "SELECT pg_notify($1, '')", (channel,))

    async def _do(self, method: Callable[..., Awaitable[Any]], sql: str, args: tuple[Any, ...]) -> Any:
        if self.broken is not None:
            raise DatabaseError("the transaction has failed already") from self.broken
        check_texts(args)
        try:
            return await method(sql, *args)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
            self.broken = error
            raise _translate(error) from error


def _translate(error: BaseException) -> Exception:
    if isinstance(error, asyncpg.UniqueViolationError):
        match = _DETAIL_COLUMNS.search(error.detail or "")
        columns = tuple(part.strip() for part in match[1].split(",")) if match else ()
        return UniqueViolationError(error.table_name or "", columns)
    if isinstance(error, asyncpg.ForeignKeyViolationError):
        return ForeignKeyViolationError("a row that is referred to does not exist, or is still referred to")
    if isinstance(error, _OUTAGES):
        return DatabaseUnavailableError(f"{type(error).__name__}: {error}")
    return DatabaseError(f"{type(error).__name__}: {error}")


class PostgresDatabase:
    """`Database` over a pool."""

    dialect: Literal["postgresql"] = "postgresql"

    def __init__(self, pool: asyncpg.Pool, thread: AsyncioThread, settings: DatabaseSettings) -> None:
        """Built by `open_postgresql` only."""
        self._pool = pool
        self._thread = thread
        self._settings = settings
        self._switchboard = Switchboard()
        self._listening = Listening(settings, thread, self._switchboard.wake, self._switchboard.wake_all)
        self._active = 0
        self._transactions = 0
        self._retries = 0
        self._failures = 0

    async def run(self, fn: Callable[Concatenate[Conn, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Database.run`."""
        return await self._cross(lambda conn: fn(conn, *args, **kwargs), readonly=False)

    async def read(self, fn: Callable[Concatenate[Conn, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """See `Database.read`."""
        return await self._cross(lambda conn: fn(conn, *args, **kwargs), readonly=True)

    async def _cross(self, fn: Callable[[Conn], Awaitable[T]], *, readonly: bool) -> T:
        self._active += 1
        try:
            return await self._thread.call(self._attempt, fn, readonly)
        except Exception:
            self._failures += 1
            raise
        finally:
            self._active -= 1
            self._transactions += 1

    async def _attempt(self, fn: Callable[[Conn], Awaitable[T]], readonly: bool) -> T:
        """In the asyncio thread: run until the transaction commits, or fails for a reason of its own."""
        pause_s = _PAUSE_S
        for attempt in range(1, _ATTEMPTS_MAX + 1):
            try:
                async with self._pool.acquire(timeout=self._settings.connect_timeout_s) as raw:
                    return await self._transaction(fn, raw, readonly)
            except _RETRIED as error:
                if attempt == _ATTEMPTS_MAX:
                    raise DatabaseUnavailableError(f"gave up after {attempt} attempts: {error}") from error
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
                raise _translate(error) from error
            self._retries += 1
            await asyncio.sleep(random.uniform(0, pause_s))
            pause_s *= 2
        raise AssertionError("the loop returns or raises")

    @staticmethod
    async def _transaction(fn: Callable[[Conn], Awaitable[T]], raw: _Connection, readonly: bool) -> T:
        conn = _PostgresConn(raw, readonly=readonly)
        # A read-only snapshot needs no conflict detection; it is consistent as it is.
        isolation: Any = "repeatable_read" if readonly else "serializable"
        async with raw.transaction(isolation=isolation, readonly=readonly):
            try:
                result = await fn(conn)
            except BaseException:
                if isinstance(conn.broken, _RETRIED):
                    raise conn.broken from None
                raise
            if isinstance(conn.broken, _RETRIED):
                raise conn.broken
            if conn.broken is not None:
                raise DatabaseError("an error of the transaction was swallowed") from conn.broken
        return result

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Listener]:
        """See `Database.listen`; a server that is away is waited for no longer than to connect takes."""
        with self._switchboard.listener(channel) as listener:
            with trio.CancelScope(shield=True):  # half a LISTEN could not be taken back
                await self._thread.call(self._listening.add, channel)
            try:
                yield listener
            finally:
                with trio.CancelScope(shield=True):
                    await self._thread.call(self._listening.remove, channel)

    async def close(self) -> None:
        """End the connection that listens; the pool is its opener's."""
        await self._thread.call(self._listening.close)

    def statistics(self) -> dict[str, float]:
        """See `Database.statistics`."""
        size, idle = self._pool.get_size(), self._pool.get_idle_size()
        return {
            "connections": size,
            "connections_idle": idle,
            "queued": max(0, self._active - (size - idle)),
            "transactions": self._transactions,
            "retries": self._retries,
            "failures": self._failures,
        }


@asynccontextmanager
async def open_postgresql(settings: DatabaseSettings, thread: AsyncioThread) -> AsyncIterator[PostgresDatabase]:
    """Connect; ConfigError without the password when the server cannot be reached or refuses."""
    where = describe(settings.url)
    try:
        pool = await thread.call(_open_pool, settings)
    except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise ConfigError(f"database.url: {where}: {reason.splitlines()[0]}") from error
    database = PostgresDatabase(pool, thread, settings)
    try:
        yield database
    finally:
        with trio.CancelScope(shield=True):
            await database.close()
            await thread.call(_close_pool, pool)


def describe(url: str) -> str:
    """Server, port and database of a URL, without user and password."""
    try:
        parts = urlsplit(url)
        port = parts.port or 5432
    except ValueError:
        return "the URL cannot be read"
    return f"{parts.hostname or 'localhost'}:{port}/{parts.path.lstrip('/')}"


async def _open_pool(settings: DatabaseSettings) -> asyncpg.Pool:
    async with asyncio.timeout(settings.connect_timeout_s):
        return await asyncpg.create_pool(
            settings.url,
            min_size=settings.pool_min,
            max_size=settings.pool_max,
            timeout=settings.connect_timeout_s,
            reset=_reset,
            server_settings={"application_name": "parley", "jit": "off"},  # the queries are short
        )


async def _reset(raw: _Connection) -> None:
    """Nothing here changes a session, so a returned connection needs no round trip to be clean."""
    if raw.is_in_transaction():
        await raw.execute("ROLLBACK")


async def _close_pool(pool: asyncpg.Pool) -> None:
    try:
        async with asyncio.timeout(_CLOSE_DEADLINE_S):
            await pool.close()
    except TimeoutError:
        _log.warning("database_close_forced", deadline_s=_CLOSE_DEADLINE_S)
        pool.terminate()
