"""The two engines, opened the way the server opens them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from appliance.asyncio_thread import open_asyncio_thread
from appliance.settings import DatabaseSettings, DataSettings, Settings
from appliance.store.database import Database, open_database, open_engine


def database_settings(target: str | Path) -> Settings:
    """Settings for a PostgreSQL URL, or for SQLite in a folder."""
    if isinstance(target, Path):
        return Settings(data=DataSettings(folder=str(target)))
    # A machine that also builds and runs browsers may be slow to answer.
    return Settings(database=DatabaseSettings(url=target, connect_timeout_s=20.0))


@asynccontextmanager
async def open_test_database(target: str | Path, *, schema: bool = True) -> AsyncIterator[Database]:
    """A database with the product's schema, or an empty one."""
    settings = database_settings(target)
    async with open_asyncio_thread() as thread:
        opened = open_database(settings, thread) if schema else open_engine(settings, thread)
        async with opened as database:
            yield database
