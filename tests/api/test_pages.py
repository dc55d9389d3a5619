"""Cursors and pages."""

from __future__ import annotations

import base64

import pytest

from appliance.api.pages import cut, decode_cursor, encode_cursor
from appliance.errors import UserError


def test_a_cursor_comes_back() -> None:
    for key in ((0, "a"), (2**62, "usr_ünï")):
        assert decode_cursor(encode_cursor(*key)) == key
    assert decode_cursor(None) is None


FOREIGN = [
    b"[]",
    b"[1]",
    b'[1,"a",2]',
    b'["a",1]',
    b'[-1,"a"]',
    b'[9223372036854775808,"a"]',
    b'[1,"a\\u0000"]',
    b'{"a":1}',
    b'[1.5,"a"]',
]


@pytest.mark.parametrize(
    "cursor", ["", "x", "é", "!!!!", "\0", *(base64.urlsafe_b64encode(raw).decode() for raw in FOREIGN)]
)
def test_what_is_no_cursor_of_ours(cursor: str) -> None:
    with pytest.raises(UserError) as caught:
        decode_cursor(cursor)
    assert (caught.value.status, caught.value.field) == (400, "cursor")


def test_one_row_more_tells_that_more_follow() -> None:
    def key(n: int) -> tuple[int, str]:
        return n, str(n)

    page = cut([1, 2, 3], 2, str, key)
    assert page.items == ["1", "2"] and decode_cursor(page.next_cursor) == (2, "2")
    assert cut([1, 2], 2, str, key).next_cursor is None
    assert cut([], 2, str, key).items == []
