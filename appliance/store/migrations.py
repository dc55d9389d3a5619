"""Brings the schema up to date: numbered SQL files, each applied once, all pending ones in one transaction.

Owns the list of what was applied (table ``schema_migrations``); refuses to know what the tables mean. There is no
way down: a backup is the way back. A file that was released is never edited, a later one changes what it made.
``0017_name.sql`` is for both engines; after it ``0017_name.sqlite.sql`` or ``0017_name.postgresql.sql``, where there
is one, for what they do each in their own way.
"""

from __future__ import annotations

import re
import sqlite3
import time
from importlib import resources
from typing import Literal

import msgspec
import structlog

from appliance.errors import ConfigError
from appliance.store.database import Conn, Database, DatabaseError, DatabaseUnavailableError

_log = structlog.get_logger(__name__)

_FILE_NAME = re.compile(r"^(\d{4})_([a-z0-9_]+)(?:\.(sqlite|postgresql))?\.sql$")


class Migration(msgspec.Struct, frozen=True):
    """One numbered step."""

    number: int
    name: str
    statements: tuple[str, ...]
    """On both engines."""
    sqlite: tuple[str, ...] = ()
    """After them, on this engine only."""
    postgresql: tuple[str, ...] = ()

    def statements_for(self, dialect: Literal["sqlite", "postgresql"]) -> tuple[str, ...]:
        """All that are applied on an engine, in order."""
        return self.statements + (self.sqlite if dialect == "sqlite" else self.postgresql)


def load_migrations() -> tuple[Migration, ...]:
    """Read the numbered files that come with the program, in order; the numbers have no gap."""
    texts: dict[tuple[int, str], dict[str, tuple[str, ...]]] = {}
    for file in (resources.files("appliance.store") / "schema").iterdir():
        match = _FILE_NAME.match(file.name)
        if match:
            parts = texts.setdefault((int(match[1]), match[2]), {})
            parts[match[3] or "statements"] = tuple(split_statements(file.read_text(encoding="utf-8")))
    found = [Migration(number, name, **{"statements": (), **parts}) for (number, name), parts in texts.items()]
    found.sort(key=lambda migration: migration.number)
    if [migration.number for migration in found] != list(range(1, len(found) + 1)):
        raise RuntimeError(f"schema files are not numbered 1 to {len(found)}")
    return tuple(found)


def split_statements(text: str) -> list[str]:
    """Split a script at the semicolons that end statements; SQLite's own scanner knows strings and comments."""
    statements: list[str] = []
    pending = ""
    for line in text.splitlines(keepends=True):
        if not pending.strip() and (not line.strip() or line.lstrip().startswith("--")):
            continue
        pending += line
        if sqlite3.complete_statement(pending):
            statements.append(pending.strip())
            pending = ""
    if pending.strip():
        raise RuntimeError(f"statement without its semicolon: {pending.strip()[:80]!r}")
    return statements


async def migrate(database: Database, migrations: tuple[Migration, ...] | None = None) -> int:
    """Apply what is missing and return the schema's number; ConfigError when it is newer than this program."""
    known = load_migrations() if migrations is None else migrations
    applied_at_ms = time.time_ns() // 1_000_000
    await _make_list(database)
    before, after = await database.run(_apply, known, applied_at_ms)
    if before != after:
        _log.info("database_migrated", dialect=database.dialect, before=before, after=after)
    return after


async def applied(database: Database) -> int:
    """The schema's number as it is, 0 for an empty database; nothing is changed. ConfigError as of `migrate`."""
    known = load_migrations()
    number = await database.read(_number)
    _check_known(number, known)
    return number


async def _number(conn: Conn) -> int:
    there = (
        "SELECT to_regclass('schema_migrations')"
        if conn.dialect == "postgresql"
        else "SELECT name FROM sqlite_master WHERE name = 'schema_migrations'"
    )
    if await conn.fetchval(there) is None:
        return 0
    return int(await conn.fetchval("SELECT COALESCE(MAX(number), 0) FROM schema_migrations"))


def _check_known(number: int, known: tuple[Migration, ...]) -> None:
    if number > len(known):
        raise ConfigError(
            f"database: its schema is number {number}, made by a newer parley; this one knows up to {len(known)}"
        )


async def _make_list(database: Database) -> None:
    """Make the table; two servers that start at once may collide here, the second attempt finds it made."""
    try:
        await database.run(_create_list)
    except DatabaseUnavailableError:
        raise
    except DatabaseError:
        await database.run(_create_list)


async def _create_list(conn: Conn) -> None:
    await conn.execute(
        "CREATE TABLE IF NOT EXISTS schema_migrations"
        " (number BIGINT PRIMARY KEY, name TEXT NOT NULL, applied_at_ms BIGINT NOT NULL)"
    )


async def _apply(conn: Conn, known: tuple[Migration, ...], applied_at_ms: int) -> tuple[int, int]:
    if conn.dialect == "postgresql":
        # First, because LOCK alone takes no snapshot: what follows sees all that the other server committed.
        await conn.execute("LOCK TABLE schema_migrations IN EXCLUSIVE MODE")
    before = int(await conn.fetchval("SELECT COALESCE(MAX(number), 0) FROM schema_migrations"))
    _check_known(before, known)
    for migration in known[before:]:
        for statement in migration.statements_for(conn.dialect):
            await conn.execute(statement)
        await conn.execute(
            "INSERT INTO schema_migrations (number, name, applied_at_ms) VALUES ($1, $2, $3)",
            migration.number,
            migration.name,
            applied_at_ms,
        )
    return before, max(before, len(known))
