"""LISTEN on a connection of its own, in the asyncio thread.

Owns that connection: opened with the first channel, opened again when it breaks, asked now and then whether it lives.
Refuses to know who waits. PostgreSQL keeps no notification for somebody who is away, so each time that a connection
starts to listen everybody is told to look: nothing is missed, at the price of a wake-up without cause.

Rejected: LISTEN on a pooled connection, which the pool may close and which a transaction may hold for long.
NOTIFY takes a lock over the whole database at commit (PostgreSQL's async.c), so transactions that notify commit one
after the other; that is measured in ``tests/load/jobs.py`` and enough for what jobs and events need.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import asyncpg
import structlog

from appliance.asyncio_thread import AsyncioThread
from appliance.settings import DatabaseSettings

_log = structlog.get_logger(__name__)

# While the server is away: often enough to go on soon, seldom enough not to be a load.
_RETRY_S = 1.0
# A connection whose other end vanished without a word is found out after this, and the time that an answer may take.
_CHECK_EACH_S = 30.0
_ANSWER_WITHIN_S = 10.0
_OUTAGES = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)


class Listening:
    """The connection and its channels. Every method but `__init__` runs in the asyncio thread."""

    def __init__(
        self,
        settings: DatabaseSettings,
        thread: AsyncioThread,
        wake: Callable[[str], None],
        wake_all: Callable[[], None],
    ) -> None:
        """``wake`` and ``wake_all`` are called in trio's thread."""
        self._settings = settings
        self._thread = thread
        self._wake = wake
        self._wake_all = wake_all
        self._channels: Counter[str] = Counter()
        self._lock = asyncio.Lock()  # a connection does one thing at a time
        self._raw: asyncpg.Connection | None = None
        self._broken = asyncio.Event()
        self._away = False
        self._task: asyncio.Task[None] | None = None
        self.connects = 0

    async def add(self, channel: str) -> None:
        """Listen to a channel. On return it is heard, or the server is away and everybody is woken once it is back."""
        async with self._lock:
            self._channels[channel] += 1
            try:
                if self._task is None:
                    await self._connect()
                elif self._raw is not None and self._channels[channel] == 1:
                    await self._listen(self._raw, channel)
            except _OUTAGES as error:
                self._lose(error)
            if self._task is None:
                self._task = asyncio.create_task(self._serve())
                self._task.add_done_callback(self._ended)

    async def remove(self, channel: str) -> None:
        """Listen to it no more; what still arrives finds nobody."""
        async with self._lock:
            self._channels[channel] -= 1
            if self._channels[channel] > 0:
                return
            del self._channels[channel]
            if self._raw is not None:
                try:
                    await self._raw.remove_listener(channel, self._heard)
                except _OUTAGES as error:
                    self._lose(error)

    async def close(self) -> None:
        """End the connection; whoever listens hears nothing more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        if self._raw is not None:
            self._raw.terminate()  # an open LISTEN has nothing to finish

    async def _serve(self) -> None:
        """Keep a connection, for ever."""
        while True:
            if self._raw is None:
                await asyncio.sleep(_RETRY_S)
                async with self._lock:
                    try:
                        await self._connect()
                    except _OUTAGES as error:
                        self._lose(error)
                continue
            try:
                async with asyncio.timeout(_CHECK_EACH_S):
                    await self._broken.wait()
            except TimeoutError:
                async with self._lock:
                    try:
                        async with asyncio.timeout(_ANSWER_WITHIN_S):
                            await self._raw.execute("SELECT 1")
                    except _OUTAGES as error:
                        self._lose(error)
            else:
                self._lose(ConnectionError("the connection was closed"))

    async def _connect(self) -> None:
        async with asyncio.timeout(self._settings.connect_timeout_s):
            raw = await asyncpg.connect(self._settings.url, server_settings={"application_name": "parley listening"})
        self._broken = asyncio.Event()
        broken = self._broken
        raw.add_termination_listener(lambda _raw: broken.set())
        self._raw = raw
        self._away = False
        self.connects += 1
        for channel in self._channels:
            await self._listen(raw, channel)
        self._thread.send_to_trio(self._wake_all)

    async def _listen(self, raw: asyncpg.Connection, channel: str) -> None:
        async with asyncio.timeout(_ANSWER_WITHIN_S):
            await raw.add_listener(channel, self._heard)

    def _heard(self, _raw: Any, _pid: int, channel: str, _payload: object) -> None:
        self._thread.send_to_trio(self._wake, channel)

    def _lose(self, error: BaseException) -> None:
        if not self._away:
            _log.warning("database_listening_interrupted", error=str(error) or type(error).__name__)
        self._away = True
        raw, self._raw = self._raw, None
        if raw is not None:
            raw.terminate()

    def _ended(self, task: asyncio.Task[None]) -> None:
        """What `_serve` does not expect is a mistake of ours: it travels to the thread's nursery."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self._thread.send_to_trio(_raise, error)


def _raise(error: BaseException) -> None:
    raise error
