"""What every object storage can do, and the rule for names.

Owns the face that callers see (`ObjectStorage`), the pattern of keys and the errors. Refuses to know where bytes lie:
`folder` keeps them on this machine's disk, `s3` at a service.

An object is whole or absent, never half there, and never changes: callers draw a new name for new bytes. So a
download needs no lock; what is deleted meanwhile ends it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

# Most bytes that `read_range` is asked for at once: what one download holds in memory, besides the kernel's buffers.
PIECE_BYTES = 1024 * 1024

# One folder, then one file; a leading dot is ours (unfinished writes).
_KEY = re.compile(r"[a-z][a-z0-9_-]{0,31}/[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")


class BadKeyError(ValueError):
    """Not a name of an object: a bug of the caller, who makes names from ids."""


class StorageUnavailableError(Exception):
    """The service does not answer, or refuses us; trying later may help. Its text holds no secret."""


class ObjectStorage(Protocol):
    """Objects under names ``kind/name``; any task may call. BadKeyError for any other name."""

    async def put_file(self, key: str, path: Path, content_type: str) -> None:
        """Store a file of this machine, whole or not at all; replaces the object before.

        The file must be complete and is never written again: the storage may keep it by a link in place of a copy. The
        caller still owns the name and removes it. Large ones take minutes; cancelling gives up, and calling again with
        the same key and file goes on where it stopped if the storage can. OSError or StorageUnavailableError.
        """

    async def write(self, key: str, data: bytes) -> None:
        """Store a small object, whole or not at all; replaces the one before."""

    async def read(self, key: str) -> bytes:
        """A small object's bytes; FileNotFoundError when there is none."""

    async def size(self, key: str) -> int:
        """An object's bytes, counted; FileNotFoundError when there is none."""

    async def read_range(self, key: str, start: int, length: int) -> bytes:
        """At most ``length`` (up to PIECE_BYTES) bytes from ``start`` on, fewer only at the end of the object.

        FileNotFoundError when there is none.
        """

    async def delete(self, key: str) -> bool:
        """Remove an object; False when there was none."""

    async def forget_unfinished(self, before_ms: int) -> int:
        """Remove what was begun before a time (ms since the Unix epoch) and will not be finished; how much there was.

        For a chore, once a day; what `put_file` could still go on with is younger.
        """

    def statistics(self) -> Mapping[str, int]:
        """Calls so far by kind, and calls that wait for a thread."""


def split_key(key: str) -> tuple[str, str]:
    """The kind and the name of a key. BadKeyError."""
    if not _KEY.fullmatch(key):
        raise BadKeyError(f"not a name of an object: {key!r}")
    kind, _, name = key.partition("/")
    return kind, name


def check_range(start: int, length: int) -> None:
    """ValueError for a piece that nobody may ask for."""
    if start < 0 or not 0 < length <= PIECE_BYTES:
        raise ValueError(f"a piece of {length} bytes from {start} on: 1 to {PIECE_BYTES} bytes may be asked for")
