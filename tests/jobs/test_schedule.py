"""When recurring jobs recur."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from appliance.jobs.schedule import Daily, Every


def _ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


@pytest.mark.parametrize(
    ("rule", "now", "then"),
    [
        (Every(3600), "2026-11-28T02:31:00", "2026-11-28T03:00:00"),
        (Every(3600), "2026-11-28T03:00:00", "2026-11-28T04:00:00"),
        (Every(90), "1970-01-01T00:00:00", "1970-01-01T00:01:30"),
        (Daily(3), "2026-11-28T02:31:00", "2026-11-28T03:00:00"),
        (Daily(3), "2026-11-28T03:00:00", "2026-11-29T03:00:00"),
        (Daily(3, 30), "2026-12-31T23:59:59", "2027-01-01T03:30:00"),
        (Daily(0), "2028-02-28T00:00:00", "2028-02-29T00:00:00"),
    ],
)
def test_the_next_time_is_after_now(rule: Every | Daily, now: str, then: str) -> None:
    assert rule.next_ms(_ms(now)) == _ms(then)


def test_rules_are_told_apart_by_their_texts() -> None:
    assert [str(rule) for rule in (Every(60), Daily(3, 5))] == ["every 60 s", "daily at 03:05 UTC"]


@pytest.mark.parametrize("make", [lambda: Every(0), lambda: Every(-5), lambda: Daily(24), lambda: Daily(1, 60)])
def test_nonsense_is_refused(make: object) -> None:
    with pytest.raises(ValueError):
        make()  # type: ignore[operator]
