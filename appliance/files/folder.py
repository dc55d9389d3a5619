"""Objects as files of one folder.

Owns the folder's descriptor and the rule for names; refuses to know what is stored. A name is ``kind/file`` of few
characters, opened below the folder's descriptor one step at a time without following a symbolic link: no name, and
nothing that somebody puts into the folder, leads out of it.

A write is whole or not at all, also over a power cut: a new file, synced, renamed over the old one.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import trio

from appliance.errors import ConfigError

# One folder, then one file; a leading dot is ours (unfinished writes).
_KEY = re.compile(r"[a-z][a-z0-9_-]{0,31}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_UNFINISHED = ".unfinished-"
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Disk calls under way at once; more would queue in the kernel instead.
_THREADS = 4


class BadKeyError(ValueError):
    """Not a name of an object: a bug of the caller, who makes names from ids."""


class FolderStorage:
    """Objects of one folder; made by `open_folder_storage`."""

    def __init__(self, root: int) -> None:
        """`root`: descriptor of the folder, owned by whoever opened it."""
        self._root = root
        self._limiter = trio.CapacityLimiter(_THREADS)
        self._reads = 0
        self._writes = 0
        self._deletes = 0

    async def write(self, key: str, data: bytes) -> None:
        """Store an object, whole or not at all; replaces the one before. OSError when the disk refuses."""
        folder, name = _split(key)
        self._writes += 1
        with trio.CancelScope(shield=True):  # half a write is cleaned up by the thread, which must be waited for
            await trio.to_thread.run_sync(self._write, folder, name, data, limiter=self._limiter)

    async def read(self, key: str) -> bytes:
        """An object's bytes; FileNotFoundError when there is none."""
        folder, name = _split(key)
        self._reads += 1
        return await trio.to_thread.run_sync(self._read, folder, name, limiter=self._limiter)

    async def delete(self, key: str) -> bool:
        """Remove an object; False when there was none."""
        folder, name = _split(key)
        self._deletes += 1
        return await trio.to_thread.run_sync(self._delete, folder, name, limiter=self._limiter)

    def statistics(self) -> dict[str, int]:
        """Calls so far, and calls that wait for a thread."""
        return {
            "reads": self._reads,
            "writes": self._writes,
            "deletes": self._deletes,
            "waiting": self._limiter.statistics().tasks_waiting,
        }

    # --- in worker threads -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _folder(self, name: str, *, make: bool = False) -> Iterator[int]:
        if make:
            try:
                os.mkdir(name, 0o700, dir_fd=self._root)
            except FileExistsError:
                pass
            else:
                os.fsync(self._root)
        descriptor = os.open(name, _OPEN_FOLDER, dir_fd=self._root)
        try:
            yield descriptor
        finally:
            os.close(descriptor)

    def _write(self, folder: str, name: str, data: bytes) -> None:
        with self._folder(folder, make=True) as parent:
            unfinished = _UNFINISHED + secrets.token_hex(8)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(unfinished, flags, 0o600, dir_fd=parent)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(unfinished, name, src_dir_fd=parent, dst_dir_fd=parent)
            except BaseException:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(unfinished, dir_fd=parent)
                raise
            os.fsync(parent)

    def _read(self, folder: str, name: str) -> bytes:
        with self._folder(folder) as parent:
            # Not blocking: a named pipe that somebody put here would be waited for.
            flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            descriptor = os.open(name, flags, dir_fd=parent)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                    raise FileNotFoundError(f"{folder}/{name} is not a file")
                return file.read()

    def _delete(self, folder: str, name: str) -> bool:
        try:
            with self._folder(folder) as parent:
                os.unlink(name, dir_fd=parent)
        except FileNotFoundError:
            return False
        return True


def _split(key: str) -> tuple[str, str]:
    if not _KEY.fullmatch(key):
        raise BadKeyError(f"not a name of an object: {key!r}")
    folder, _, name = key.partition("/")
    return folder, name


@asynccontextmanager
async def open_folder_storage(path: Path) -> AsyncIterator[FolderStorage]:
    """Open the folder, made 0700 if it is missing; what an earlier crash left unfinished is removed.

    ConfigError when it cannot be used.
    """
    root = await trio.to_thread.run_sync(_open_root, path)
    try:
        yield FolderStorage(root)
    finally:
        os.close(root)


def _open_root(path: Path) -> int:
    try:
        path.mkdir(mode=0o700, exist_ok=True)
        root = os.open(path, _OPEN_FOLDER)
        _remove_unfinished(root)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    return root


def _remove_unfinished(root: int) -> None:
    for _, folders, names, parent in os.fwalk(".", dir_fd=root, follow_symlinks=False):
        for name in names:
            if name.startswith(_UNFINISHED):
                os.unlink(name, dir_fd=parent)
        folders[:] = [name for name in folders if not name.startswith(".")]
