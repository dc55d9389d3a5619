"""Ids, codes and tokens look as promised and do not repeat."""

from __future__ import annotations

import re

from appliance.ids import new_id, new_meeting_code, new_token


def test_an_id_carries_its_kind_and_a_hundred_bits() -> None:
    assert re.fullmatch(r"usr_[a-z2-7]{20}", new_id("usr"))
    assert len({new_id("x") for _ in range(2000)}) == 2000


def test_a_meeting_code_can_be_read_aloud() -> None:
    codes = [new_meeting_code() for _ in range(500)]
    assert all(re.fullmatch(r"[a-z]{3}-[a-z]{4}-[a-z]{3}", code) for code in codes)
    assert not set("ilo") & set("".join(codes))
    assert len(set(codes)) == 500


def test_a_token_is_256_bits_that_fit_into_a_url() -> None:
    assert re.fullmatch(r"[A-Za-z0-9_-]{43}", new_token())
    assert new_token() != new_token()
