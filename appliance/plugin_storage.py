"""Storage that a plugin provides, with the face of the built-in ones; and a built-in one as plugins yield theirs.

Owns the translation both ways, the deadlines of large files, and how many calls wait for the plugin instead of being
refused. Refuses to know what the plugin does with the bytes, and to start it: it may be off, and then what is asked of
it is answered as of a service that is away.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar

import trio

from appliance.files.opened import open_storage
from appliance.files.storage import PIECE_BYTES, ObjectStorage, StorageUnavailableError, check_range, split_key
from appliance.hooks import calls
from appliance.hooks.calls import HookCall
from appliance.hooks.contract import Storage, TryLater, Undeliverable
from appliance.hooks.running import Plugins
from appliance.ids import new_id
from appliance.settings import Settings

T = TypeVar("T")

PREFIX = "plugin:"
"""Of ``storage.kind``, before the plugin's name."""
# Together below the calls that dispatch lets under way at once: more wait here. Files that are put take minutes.
_AT_ONCE = 16
_PUTS_AT_ONCE = 4
# A put has a second for each MiB, beside the usual deadline: the slowest link to a service that is worth having.
_PUT_BYTES_PER_S = 1024 * 1024


class PluginStorage:
    """`ObjectStorage` by the hook of one plugin."""

    def __init__(self, plugins: Plugins, name: str, call_deadline_s: float, spool: Path) -> None:
        """``spool``: a folder of our own, for small objects, which the hook takes as files."""
        self._plugins = plugins
        self._name = name
        self._call_deadline_s = call_deadline_s
        self._spool = spool
        self._limiter = trio.CapacityLimiter(_AT_ONCE)
        self._putting = trio.CapacityLimiter(_PUTS_AT_ONCE)
        self._counts = dict.fromkeys(("reads", "writes", "deletes", "failures"), 0)

    async def put_file(self, key: str, path: Path, content_type: str) -> None:
        """See `ObjectStorage.put_file`."""
        split_key(key)
        self._counts["writes"] += 1
        size = (await trio.Path(path).stat()).st_size
        within_s = self._call_deadline_s + size / _PUT_BYTES_PER_S
        async with self._putting:
            await self._attempt(calls.PUT, key, path, content_type, deadline_s=within_s)

    async def write(self, key: str, data: bytes) -> None:
        """See `ObjectStorage.write`."""
        split_key(key)
        spooled = self._spool / new_id("put")
        try:
            await trio.Path(spooled).write_bytes(data)
            await self.put_file(key, spooled, "application/octet-stream")
        finally:
            with trio.CancelScope(shield=True):  # a name of a local disk
                await trio.Path(spooled).unlink(missing_ok=True)

    async def read(self, key: str) -> bytes:
        """See `ObjectStorage.read`."""
        pieces: list[bytes] = []
        while not pieces or len(pieces[-1]) == PIECE_BYTES:
            pieces.append(await self.read_range(key, len(pieces) * PIECE_BYTES, PIECE_BYTES))
        return b"".join(pieces)

    async def size(self, key: str) -> int:
        """See `ObjectStorage.size`."""
        split_key(key)
        self._counts["reads"] += 1
        size = await self._ask(calls.SIZE, key)
        if size is None:
            raise FileNotFoundError(key)
        return size

    async def read_range(self, key: str, start: int, length: int) -> bytes:
        """See `ObjectStorage.read_range`."""
        split_key(key)
        check_range(start, length)
        self._counts["reads"] += 1
        piece = await self._ask(calls.read_of(length), key, start, length)
        if piece is None:
            raise FileNotFoundError(key)
        return piece

    async def delete(self, key: str) -> bool:
        """See `ObjectStorage.delete`."""
        split_key(key)
        self._counts["deletes"] += 1
        return await self._ask(calls.DELETE, key)

    async def forget_unfinished(self, before_ms: int) -> int:
        """See `ObjectStorage.forget_unfinished`: what a plugin has begun is its own affair."""
        return 0

    def statistics(self) -> dict[str, int]:
        """See `ObjectStorage.statistics`; with calls that failed."""
        waiting = [limiter.statistics().tasks_waiting for limiter in (self._limiter, self._putting)]
        return {**self._counts, "waiting": sum(waiting)}

    async def _ask(self, asked: HookCall[T], *args: object) -> T:
        async with self._limiter:
            return await self._attempt(asked, *args)

    async def _attempt(self, asked: HookCall[T], *args: object, deadline_s: float | None = None) -> T:
        try:
            return await self._plugins.ask(self._name, asked, *args, deadline_s=deadline_s)
        except (TryLater, Undeliverable) as error:
            self._counts["failures"] += 1
            raise StorageUnavailableError(f"plugin {self._name}: {error.reason}") from None


@asynccontextmanager
async def open_any_storage(settings: Settings, folder: Path, plugins: Plugins) -> AsyncIterator[ObjectStorage]:
    """The storage that the settings ask for, a plugin's or a built-in one. ``folder``: see `open_storage`."""
    if not settings.storage.kind.startswith(PREFIX):
        async with open_storage(settings.storage, folder) as files:
            yield files
        return
    spool = folder.with_name("spool")
    await trio.to_thread.run_sync(_emptied, spool)
    name = settings.storage.kind.removeprefix(PREFIX)
    yield PluginStorage(plugins, name, settings.plugins.call_deadline_s, spool)


def _emptied(spool: Path) -> None:
    spool.mkdir(mode=0o700, exist_ok=True)
    for left_behind in spool.iterdir():
        left_behind.unlink()


def as_hook(storage: ObjectStorage) -> Storage:
    """A built-in storage as a plugin yields its own, to be opened and asked in one loop.

    What tries, or wraps, a plugin's storage does so with the folder and with S3 by the same type.
    """

    async def put(key: str, path: Path, media_type: str) -> None:
        with _answers():
            await storage.put_file(key, path, media_type)

    async def read(key: str, start: int, length: int) -> bytes | None:
        return await _found(lambda: storage.read_range(key, start, length))

    async def size(key: str) -> int | None:
        return await _found(lambda: storage.size(key))

    async def delete(key: str) -> bool:
        with _answers():
            return await storage.delete(key)

    return Storage(put=put, read=read, size=size, delete=delete)


async def _found(ask: Callable[[], Awaitable[T]]) -> T | None:
    with _answers():
        try:
            return await ask()
        except FileNotFoundError:
            return None


@contextlib.contextmanager
def _answers() -> Iterator[None]:
    try:
        yield
    except StorageUnavailableError as error:
        raise TryLater(str(error)) from None
