"""Rotation as a transcript: who presents which token when, and what becomes of the session."""

from __future__ import annotations

import msgspec
import pytest

from appliance.auth.sessions import COOKIE_LEEWAY_MS, RefreshState, Verdict, judge_refresh

NOW = 1_000_000
FRESH = RefreshState(
    refresh_id="two",
    previous_refresh_id="one",
    rotated_at_ms=NOW,
    expires_at_ms=NOW + 600_000,
    revoked=False,
    cookie=False,
)


def judged(presented: str, after_ms: int = 0, **changes: object) -> Verdict:
    return judge_refresh(msgspec.structs.replace(FRESH, **changes), presented, NOW + after_ms)


def test_the_newest_token_rotates() -> None:
    assert judged("two") is Verdict.ROTATE
    assert judged("two", 599_999) is Verdict.ROTATE


def test_a_used_token_ends_the_family() -> None:
    assert judged("one") is Verdict.REUSED
    assert judged("zero") is Verdict.REUSED


def test_time_and_revocation_come_first() -> None:
    assert judged("two", 600_000) is Verdict.EXPIRED
    assert judged("one", 600_000) is Verdict.EXPIRED
    assert judged("two", revoked=True) is Verdict.REVOKED
    assert judged("one", revoked=True) is Verdict.REVOKED


@pytest.mark.parametrize(
    ("after_ms", "verdict"),
    [(0, Verdict.ROTATE), (COOKIE_LEEWAY_MS, Verdict.ROTATE), (COOKIE_LEEWAY_MS + 1, Verdict.REUSED)],
)
def test_two_tabs_with_one_cookie_may_be_a_moment_apart(after_ms: int, verdict: Verdict) -> None:
    assert judged("one", after_ms, cookie=True) is verdict
    assert judged("zero", after_ms, cookie=True) is Verdict.REUSED
