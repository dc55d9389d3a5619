"""The seals of the audit log: what makes a row that was changed, removed or put in between show.

Owns how a seal is made and checked. Pure. A row's seal is SHA-256 over the seal before it and the row's text, so who
alters a row must alter every later one; the newest seal, noted down elsewhere (``GET /admin/audit/verify`` tells it),
then shows even that. It proves nothing against somebody who rewrites the whole table before anybody noted a seal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Protocol

import msgspec

# What the first row is sealed with.
BEGINNING = "0" * 64


class Sealed(Protocol):
    """A row as it is stored."""

    @property
    def seq(self) -> int: ...
    @property
    def seal(self) -> str: ...
    @property
    def text(self) -> bytes: ...


class Broken(msgspec.Struct, frozen=True):
    """Where the chain does not hold."""

    seq: int
    """Of the first row that is not what it was, or that is missing."""
    reason: str


def seal_of(before: str, seq: int, text: bytes) -> str:
    """64 hexadecimal digits. ``before``: the seal of the row before, or `BEGINNING`."""
    return hashlib.sha256(f"{before}\n{seq}\n".encode() + text).hexdigest()


def check(rows: Iterable[Sealed], *, after_seq: int = 0, before: str = BEGINNING) -> tuple[int, str] | Broken:
    """Follow the chain over rows in their order; the last (seq, seal), or where it breaks.

    ``after_seq`` and ``before``: number and seal of the row before the first.
    """
    for row in rows:
        if row.seq != after_seq + 1:
            return Broken(after_seq + 1, f"row {after_seq + 1} is missing: {row.seq} follows {after_seq}")
        if row.seal != seal_of(before, row.seq, row.text):
            return Broken(row.seq, f"row {row.seq} is not what was sealed")
        after_seq, before = row.seq, row.seal
    return after_seq, before
