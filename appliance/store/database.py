"""One way to run a transaction, whichever database is configured.

Owns the face that repositories and handlers see, the neutral error types and the choice of the engine; refuses to
know tables. A repository function is ``async def f(conn, …)`` and awaits nothing but its connection: it runs whole
on the other side of one thread border (SQLite's writer thread, or the asyncio thread for PostgreSQL) as one
transaction, and may run again from its start when the transaction lost against another one. So it must have no
other effect than its statements, and take ids and times as arguments.

Isolation is serializable in both engines: SQLite has one writer, PostgreSQL detects conflicts and we retry. A
function that is right on one is right on the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar

from appliance.asyncio_thread import AsyncioThread
from appliance.errors import UserError
from appliance.settings import Settings
from appliance.store.wakeups import Listener

P = ParamSpec("P")
T = TypeVar("T")
Dialect = Literal["sqlite", "postgresql"]

# Name of the SQLite file in the data folder.
SQLITE_FILE = "parley.sqlite3"


class DatabaseError(Exception):
    """The database refused; nothing of the transaction remains."""


class UniqueViolationError(DatabaseError):
    """A row with these values exists already."""

    def __init__(self, table: str, columns: tuple[str, ...]) -> None:
        super().__init__(f"{table}({', '.join(columns)}) exists already")
        self.table = table
        self.columns = columns


class ForeignKeyViolationError(DatabaseError):
    """The row that is referred to does not exist, or is still referred to."""


class DatabaseUnavailableError(DatabaseError):
    """No connection, or it broke, or the lock was not free in time; whether a commit happened may be unknown."""


class Row(Protocol):
    """One row; `dict(row)` works too."""

    def __getitem__(self, column: str, /) -> Any:
        """Value of a column."""

    def keys(self) -> Any:
        """Column names."""


class Conn(Protocol):
    """The connection that a repository function gets. After an error the transaction is over: let it travel."""

    @property
    def dialect(self) -> Dialect:
        """Which engine it is, for the rare statement that must differ."""

    async def fetch(self, sql: str, *args: Any) -> list[Row]:
        """All rows."""

    async def fetchrow(self, sql: str, *args: Any) -> Row | None:
        """The first row."""

    async def fetchval(self, sql: str, *args: Any) -> Any:
        """First column of the first row; None without a row."""

    async def execute(self, sql: str, *args: Any) -> int:
        """Run a statement and return how many rows it inserted, changed or deleted."""

    async def notify(self, channel: str) -> None:
        """Wake everybody who listens to a channel once this transaction is committed; nobody when it is not.

        Other processes are woken on PostgreSQL only. DatabaseError in a read-only transaction.
        """


class Database(Protocol):
    """The open database, used from trio tasks."""

    @property
    def dialect(self) -> Dialect:
        """Which engine it is."""

    async def run(self, fn: Callable[Concatenate[Conn, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `fn` in ONE transaction and return what it returns; rolled back when it raises."""

    async def read(self, fn: Callable[Concatenate[Conn, P], Awaitable[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """The same in a read-only transaction, a snapshot that waits for no writer."""

    def listen(self, channel: str) -> AbstractAsyncContextManager[Listener]:
        """Be woken by each commit that notifies a channel, from the moment that the context is entered.

        On SQLite only this process is heard: what another one, as ``parley jobs``, commits wakes nobody.
        """

    def statistics(self) -> Mapping[str, float]:
        """``connections``, ``connections_idle``, ``queued``, ``transactions``, ``retries``, ``failures``."""


def check_texts(args: tuple[Any, ...]) -> None:
    """Refuse texts that one of the two engines cannot store, so that both answer alike."""
    for value in args:
        if not isinstance(value, str):
            continue
        if "\x00" in value:
            raise UserError(400, "invalid_text", "a text holds the character U+0000")
        if not value.isascii():
            try:
                value.encode("utf-8")
            except UnicodeEncodeError:
                raise UserError(400, "invalid_text", "a text holds half of a surrogate pair") from None


def open_engine(settings: Settings, thread: AsyncioThread) -> AbstractAsyncContextManager[Database]:
    """Open the configured engine without looking at its tables."""
    if settings.database.url:
        from appliance.store.postgresql import open_postgresql

        return open_postgresql(settings.database, thread)
    from appliance.store.sqlite import open_sqlite

    return open_sqlite(settings.database, Path(settings.data.folder) / SQLITE_FILE)


@asynccontextmanager
async def open_database(settings: Settings, thread: AsyncioThread) -> AsyncIterator[Database]:
    """Open the configured database and bring its schema up to date; closed with the context.

    ConfigError when it cannot be reached or written, or was made by a newer program.
    """
    from appliance.store.migrations import migrate

    async with open_engine(settings, thread) as database:
        await migrate(database)
        yield database
