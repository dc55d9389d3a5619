"""Files on their way in: what was received so far of each upload, on this machine's disk.

Owns the folder, appending, and who works on which upload; refuses to know what is uploaded, by whom and how. An id is
an upload's, drawn by us; it is opened below the folder's descriptor without following a symbolic link.

How much of an upload is there is how long its file is. That holds over a kill, and over a power cut too: ext4 (in its
usual mode) and XFS write a file's new length down only after the bytes below it. Rejected: an offset in the database,
which a crash in the middle of a gigabyte would leave far behind.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import trio

from appliance.errors import ConfigError

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

_ID = re.compile(r"[a-z]{2,8}_[a-z2-7]{20}")
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OPEN_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# Disk calls under way at once, for all who upload.
_THREADS = 4


class BusyError(Exception):
    """Somebody else works on this upload now."""


class StagedFile:
    """One upload's file, while its holder works on it."""

    def __init__(self, path: Path, descriptor: int, size: int, limiter: trio.CapacityLimiter) -> None:
        self.path = path
        """Where it lies."""
        self.size = size
        """Bytes that are there."""
        self.descriptor = descriptor
        self._limiter = limiter

    async def append(self, data: bytes) -> None:
        """At the end. OSError when the disk refuses: then none of it is counted."""
        await trio.to_thread.run_sync(_write_all, self.descriptor, self.size, data, limiter=self._limiter)
        self.size += len(data)

    async def cut(self, size: int) -> None:
        """Drop what is beyond a size."""
        await trio.to_thread.run_sync(os.ftruncate, self.descriptor, size, limiter=self._limiter)
        self.size = size

    async def sync(self) -> None:
        """Until the disk has it."""
        await trio.to_thread.run_sync(os.fdatasync, self.descriptor, limiter=self._limiter)


class Staging:
    """The folder; made by `open_staging`."""

    def __init__(self, path: Path, root: int) -> None:
        """``root``: descriptor of the folder at ``path``, owned by whoever opened it."""
        self._path = path
        self._root = root
        self._limiter = trio.CapacityLimiter(_THREADS)
        self._held: dict[str, trio.Event] = {}

    @asynccontextmanager
    async def hold(self, upload_id: str, *, wait: bool = False) -> AsyncIterator[None]:
        """Work on an upload alone. BusyError when somebody else does, unless ``wait``."""
        while (ended := self._held.get(upload_id)) is not None:
            if not wait:
                raise BusyError(upload_id)
            await ended.wait()
        self._held[upload_id] = trio.Event()
        try:
            yield
        finally:
            self._held.pop(upload_id).set()

    @asynccontextmanager
    async def open(self, upload_id: str, *, create: bool = False) -> AsyncIterator[StagedFile]:
        """An upload's file, for its holder. FileNotFoundError when there is none; FileExistsError for ``create``."""
        name = _name(upload_id)
        flags = os.O_RDWR | (os.O_CREAT | os.O_EXCL if create else 0) | _OPEN_FILE
        descriptor = await self._in_thread(_open, self._root, name, flags)
        try:
            size = os.fstat(descriptor).st_size
            yield StagedFile(self._path / name, descriptor, size, self._limiter)
        finally:
            os.close(descriptor)

    async def size(self, upload_id: str) -> int:
        """Bytes that are there. FileNotFoundError."""
        return await self._in_thread(_size, self._root, _name(upload_id))

    async def remove(self, upload_id: str) -> None:
        """Drop an upload's file, if there is one. Quick, and done whole even when cancelled."""
        with trio.CancelScope(shield=True):
            await self._in_thread(_remove, self._root, _name(upload_id))

    async def ids(self) -> list[str]:
        """Of all uploads that have a file here."""
        names = await self._in_thread(os.listdir, self._root)
        return [name for name in names if _ID.fullmatch(name)]

    def statistics(self) -> dict[str, int]:
        """Uploads that somebody works on, and calls that wait for a thread."""
        return {"active": len(self._held), "waiting": self._limiter.statistics().tasks_waiting}

    async def _in_thread(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        return await trio.to_thread.run_sync(fn, *args, limiter=self._limiter)


def _name(upload_id: str) -> str:
    if not _ID.fullmatch(upload_id):
        raise ValueError(f"not the id of an upload: {upload_id!r}")
    return upload_id


def _open(root: int, name: str, flags: int) -> int:
    descriptor = os.open(name, flags, 0o600, dir_fd=root)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(f"{name} is not a file")
    return descriptor


def _size(root: int, name: str) -> int:
    found = os.stat(name, dir_fd=root, follow_symlinks=False)
    if not stat.S_ISREG(found.st_mode):
        raise FileNotFoundError(f"{name} is not a file")
    return found.st_size


def _remove(root: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=root)


def _write_all(descriptor: int, start: int, data: bytes) -> None:
    view = memoryview(data)
    try:
        while view:
            written = os.pwrite(descriptor, view, start + len(data) - len(view))
            view = view[written:]
    except OSError:
        os.ftruncate(descriptor, start)  # a disk that is full has taken a part of it
        raise


@asynccontextmanager
async def open_staging(path: Path) -> AsyncIterator[Staging]:
    """Open the folder, made 0700 if it is missing; what lies there is kept. ConfigError when it cannot be used."""
    with _opened(path) as root:
        yield Staging(path, root)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[int]:
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        root = os.open(path, _OPEN_FOLDER)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    try:
        yield root
    finally:
        os.close(root)
