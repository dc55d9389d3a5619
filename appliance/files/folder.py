"""Objects as files of one folder.

Owns the folder's descriptor; refuses to know what is stored. A key (`storage`) is one folder and one file, opened
below the folder's descriptor one step at a time without following a symbolic link: no key, and nothing that somebody
puts into the folder, leads out of it.

A write is whole or not at all, also over a power cut: a new file, synced, renamed over the old one. A file that is put
here from the same file system becomes a second name of the same bytes: a recording of gigabytes costs neither time
nor, on a disk that is nearly full, the space of a copy.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TypeVar, TypeVarTuple

import trio

from appliance.errors import ConfigError
from appliance.files.storage import check_range, split_key

_UNFINISHED = ".unfinished-"
_OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# Disk calls under way at once; more would queue in the kernel instead.
_THREADS = 4
# Not blocking: a named pipe that somebody put here would be waited for.
_OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
# A copy looks after each so many bytes whether it is still wanted: 0.1 s on a slow disk.
_COPY_BYTES = 8 * 1024 * 1024
# What link(2) says where a second name is not to be had: another file system, one without links, too many links, or a
# file that fs.protected_hardlinks keeps from us.
_NO_LINK = {errno.EXDEV, errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.ENOSYS, errno.EACCES}


T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class FolderStorage:
    """Objects of one folder; made by `open_folder_storage`."""

    def __init__(self, root: int) -> None:
        """`root`: descriptor of the folder, owned by whoever opened it."""
        self._root = root
        self._limiter = trio.CapacityLimiter(_THREADS)
        # One copy of a large file at a time, in a thread besides: nobody who reads waits for it.
        self._putting = trio.CapacityLimiter(1)
        self._reads = 0
        self._writes = 0
        self._deletes = 0

    async def put_file(self, key: str, path: Path, content_type: str) -> None:
        """See `ObjectStorage.put_file`; the type is not kept. OSError when the disk refuses."""
        folder, name = split_key(key)
        self._writes += 1

        def fill(parent: int, unfinished: str) -> None:
            _link_or_copy(path, parent, unfinished)

        await trio.to_thread.run_sync(self._store, folder, name, fill, limiter=self._putting)

    async def write(self, key: str, data: bytes) -> None:
        """See `ObjectStorage.write`. OSError when the disk refuses."""
        folder, name = split_key(key)
        self._writes += 1

        def fill(parent: int, unfinished: str) -> None:
            with _new_file(parent, unfinished) as descriptor:
                _write_all(descriptor, data)

        await self._in_thread(self._store, folder, name, fill)

    async def read(self, key: str) -> bytes:
        """See `ObjectStorage.read`."""
        self._reads += 1
        return await self._in_thread(self._read, *split_key(key))

    async def size(self, key: str) -> int:
        """See `ObjectStorage.size`."""
        self._reads += 1
        return await self._in_thread(self._size, *split_key(key))

    async def read_range(self, key: str, start: int, length: int) -> bytes:
        """See `ObjectStorage.read_range`."""
        check_range(start, length)
        self._reads += 1
        return await self._in_thread(self._read_range, *split_key(key), start, length)

    async def delete(self, key: str) -> bool:
        """See `ObjectStorage.delete`."""
        self._deletes += 1
        return await self._in_thread(self._delete, *split_key(key))

    async def forget_unfinished(self, before_ms: int) -> int:
        """See `ObjectStorage.forget_unfinished`: nothing, a start has removed it."""
        return 0

    def statistics(self) -> dict[str, int]:
        """See `ObjectStorage.statistics`."""
        return {
            "reads": self._reads,
            "writes": self._writes,
            "deletes": self._deletes,
            "waiting": self._limiter.statistics().tasks_waiting + self._putting.statistics().tasks_waiting,
        }

    async def _in_thread(self, fn: Callable[[*Ts], T], *args: *Ts) -> T:
        """A thread is never left behind: half a write is cleaned up by the thread itself."""
        return await trio.to_thread.run_sync(fn, *args, limiter=self._limiter)

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

    def _store(self, folder: str, name: str, fill: Callable[[int, str], None]) -> None:
        with self._folder(folder, make=True) as parent:
            unfinished = _UNFINISHED + secrets.token_hex(8)
            try:
                fill(parent, unfinished)
                os.rename(unfinished, name, src_dir_fd=parent, dst_dir_fd=parent)
            finally:
                # After a success too: rename(2) between two names of one file, as of a file put twice, does nothing.
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(unfinished, dir_fd=parent)
            os.fsync(parent)

    @contextlib.contextmanager
    def _file(self, folder: str, name: str) -> Iterator[int]:
        with self._folder(folder) as parent:
            descriptor = os.open(name, _OPEN_FILE, dir_fd=parent)
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileNotFoundError(f"{folder}/{name} is not a file")
            yield descriptor
        finally:
            os.close(descriptor)

    def _read(self, folder: str, name: str) -> bytes:
        with self._file(folder, name) as descriptor, open(descriptor, "rb", closefd=False) as file:
            return file.read()

    def _size(self, folder: str, name: str) -> int:
        with self._file(folder, name) as descriptor:
            return os.fstat(descriptor).st_size

    def _read_range(self, folder: str, name: str, start: int, length: int) -> bytes:
        parts: list[bytes] = []
        with self._file(folder, name) as descriptor:
            while length > 0 and (part := os.pread(descriptor, length, start)):
                parts.append(part)
                start, length = start + len(part), length - len(part)
        return b"".join(parts)

    def _delete(self, folder: str, name: str) -> bool:
        try:
            with self._folder(folder) as parent:
                os.unlink(name, dir_fd=parent)
                os.fsync(parent)
        except FileNotFoundError:
            return False
        return True


@contextlib.contextmanager
def _new_file(parent: int, name: str) -> Iterator[int]:
    """A file of mode 0600 that did not exist, synced at the end."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(name, flags, 0o600, dir_fd=parent)
    try:
        yield descriptor
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _link_or_copy(source: Path, parent: int, name: str) -> None:
    original = os.open(source, _OPEN_FILE)
    try:
        if not stat.S_ISREG(os.fstat(original).st_mode):
            raise FileNotFoundError(f"{source} is not a file")
        try:
            # By the descriptor, so that what was looked at is what is linked (open(2), AT_SYMLINK_FOLLOW in /proc).
            os.link(f"/proc/self/fd/{original}", name, dst_dir_fd=parent, follow_symlinks=True)
        except OSError as error:
            if error.errno not in _NO_LINK and not isinstance(error, FileNotFoundError):  # no /proc
                raise
            with _new_file(parent, name) as descriptor:
                _copy(original, descriptor)
        else:
            os.fchmod(original, 0o600)
            os.fsync(original)
    finally:
        os.close(original)


def _copy(source: int, target: int) -> None:
    """As far as it reads, in the kernel; gives up when the task that waits for it is cancelled."""
    while os.sendfile(target, source, None, _COPY_BYTES):
        trio.from_thread.check_cancelled()


def _write_all(descriptor: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


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
