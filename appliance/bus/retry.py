"""When an event that could not be told is tried again. Pure."""

from __future__ import annotations

from collections.abc import Callable

# 1 s, 2 s, 4 s … 10 min: a restart of what the subscriber needs is over within the first pauses, an outage of half a
# day within the last.
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 600.0
# With these pauses some eight hours, ten at the most; then it is given up, which the log and the metrics say.
ATTEMPTS_MAX = 70
# A pause is drawn from this share of itself upwards, so that what failed together is not tried together.
JITTER_FROM = 0.5


def pause_s(attempts: int, uniform: Callable[[float, float], float]) -> float | None:
    """How long to wait after the ``attempts``-th failure, from 1; None: not again. ``uniform``: as random.uniform."""
    if attempts >= ATTEMPTS_MAX:
        return None
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempts - 1, 32))
    return uniform(JITTER_FROM * longest, longest)
