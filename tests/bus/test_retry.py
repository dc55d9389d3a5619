"""Pauses grow, differ, end."""

from __future__ import annotations

from appliance.bus.retry import ATTEMPTS_MAX, LONGEST_PAUSE_S, pause_s


def longest(low: float, high: float) -> float:
    assert 0 < low < high
    return high


def test_pauses_double_up_to_the_longest() -> None:
    found = [pause_s(attempt, longest) for attempt in range(1, 13)]
    assert found[:5] == [1.0, 2.0, 4.0, 8.0, 16.0]
    assert found[-2:] == [LONGEST_PAUSE_S, LONGEST_PAUSE_S]


def test_a_pause_is_drawn_from_its_upper_half() -> None:
    assert pause_s(3, lambda low, high: low) == 2.0


def test_attempts_end_after_some_ten_hours() -> None:
    pauses = [pause_s(attempt, longest) for attempt in range(1, ATTEMPTS_MAX + 1)]
    assert pauses[-1] is None and None not in pauses[:-1]
    assert 9 * 3600 < sum(pause for pause in pauses if pause) < 12 * 3600
    assert pause_s(10**6, longest) is None
