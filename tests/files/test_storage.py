"""The rule for names and pieces."""

from __future__ import annotations

import pytest

from appliance.files.storage import PIECE_BYTES, BadKeyError, check_range, split_key


def test_a_key_is_a_kind_and_a_name() -> None:
    assert split_key("avatars/avt_x.webp") == ("avatars", "avt_x.webp")
    for key in ("", "a", "a/", "/a", "a//b", "a/../b", "a/..", "A/b", "a/b/c", "a/.b", "a/b\n", "a/ä"):
        with pytest.raises(BadKeyError):
            split_key(key)


def test_pieces_are_small() -> None:
    check_range(0, 1)
    check_range(10**15, PIECE_BYTES)
    for start, length in ((-1, 1), (0, 0), (0, -1), (0, PIECE_BYTES + 1)):
        with pytest.raises(ValueError):
            check_range(start, length)
