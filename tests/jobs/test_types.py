"""Orders and pauses."""

from __future__ import annotations

import msgspec
import pytest

from appliance.jobs.types import ATTEMPTS, HANDICAP_MAX_MS, HANDICAP_S, RETRY_MOST_S, JobType, retry_delay_s
from tests.support.queued_jobs import Number, number_type


def test_an_order_says_all_that_the_row_needs() -> None:
    kind = number_type("media.transcode", priority="low", attempts=2)
    order = kind.order(Number(7), now_ms=1000, run_at_ms=5000, key="k", meeting_id="mtg_1")
    assert order.id.startswith("job_")
    assert (order.type, order.priority, order.payload, order.max_attempts) == ("media.transcode", "low", '{"n":7}', 2)
    assert (order.created_at_ms, order.run_at_ms, order.rank_ms) == (1000, 5000, 5000 + HANDICAP_MAX_MS)
    assert (order.idempotency_key, order.meeting_id) == ("k", "mtg_1")
    urgent = kind.order(Number(7), now_ms=1000, priority="critical")
    assert (urgent.priority, urgent.run_at_ms, urgent.rank_ms) == ("critical", 1000, 1000)
    assert urgent.id != order.id


def test_the_more_urgent_has_the_smaller_handicap() -> None:
    assert list(HANDICAP_S) == ["critical", "high", "normal", "low"]
    assert list(HANDICAP_S.values()) == sorted(HANDICAP_S.values())
    assert max(HANDICAP_S.values()) * 1000 == HANDICAP_MAX_MS


def test_at_most_three_retries_unless_a_type_says_otherwise() -> None:
    kind: JobType[Number] = JobType(name="x", payload=Number)
    assert kind.attempts == ATTEMPTS == 1 + 3


def test_pauses_grow_with_jitter_and_an_end() -> None:
    assert [retry_delay_s(5.0, attempt, 0.999999) for attempt in (1, 2, 3)] == pytest.approx([5, 20, 80], rel=1e-4)
    assert [retry_delay_s(5.0, attempt, 0.0) for attempt in (1, 2, 3)] == [2.5, 10, 40]
    assert retry_delay_s(5.0, 30, 0.999) <= RETRY_MOST_S


def test_a_payload_is_strict() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"n":1,"m":2}', type=Number)
