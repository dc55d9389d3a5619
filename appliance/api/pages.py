"""Pages of lists by an opaque cursor; pure.

Owns the cursor's form: the sort key of the last item, so that new items neither repeat nor hide others. A cursor is
no secret and no right: it is signed by nothing and checked for its form only.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec

from appliance.errors import UserError

T = TypeVar("T")
R = TypeVar("R")

# What a page holds when nobody asks, and at most: a page of 200 meetings is about 120 kB.
DEFAULT_LIMIT = 50
MAX_LIMIT = 200

PageLimit = Annotated[int, msgspec.Meta(ge=1, le=MAX_LIMIT)]


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """One page of a list."""

    items: list[T]
    next_cursor: str | None
    """Give it as ``cursor`` for the next page; null on the last."""


def encode_cursor(sort_ms: int, ident: str) -> str:
    """The cursor behind the item with this sort time and id."""
    return base64.urlsafe_b64encode(msgspec.json.encode((sort_ms, ident))).rstrip(b"=").decode()


def decode_cursor(cursor: str | None) -> tuple[int, str] | None:
    """The sort key in a cursor; UserError 400 when it is none of ours."""
    if cursor is None:
        return None
    try:
        raw = base64.urlsafe_b64decode(cursor.encode("ascii") + b"=" * (-len(cursor) % 4))
        sort_ms, ident = msgspec.json.decode(raw, type=tuple[int, str])
    except (ValueError, binascii.Error, msgspec.DecodeError, UnicodeEncodeError):
        raise UserError(400, "invalid_field", "cursor is not one that this server gave", field="cursor") from None
    if not 0 <= sort_ms < 2**63 or "\0" in ident:
        raise UserError(400, "invalid_field", "cursor is not one that this server gave", field="cursor")
    return sort_ms, ident


def cut(
    rows: Sequence[R], limit: int, view: Callable[[R], T], key: Callable[[R], tuple[int, str]]
) -> Page[T]:
    """The page of the first ``limit`` rows; ``rows`` were asked for with one more, which tells whether more follow."""
    shown = rows[:limit]
    more = len(rows) > limit
    return Page(items=[view(row) for row in shown], next_cursor=encode_cursor(*key(shown[-1])) if more else None)
