"""What a kind of job is, and how an order for one is made; pure.

Owns the policy: priorities and what they are worth, attempts, deadlines, the pause before the next attempt. Refuses to
know handlers (`registry`), so that whoever orders a job needs not import who does it.
"""

from __future__ import annotations

from typing import Generic, TypeVar

import msgspec

from appliance.ids import new_id
from appliance.job_records import Order, Priority

P = TypeVar("P", bound=msgspec.Struct)

# Seconds by which a job of a priority lets others go first. Also the bound of waiting: a due job is passed only by
# jobs that fall due less than its handicap later. Ten seconds are what somebody watches a spinner for, a minute is
# soon for a mail, ten minutes for a film.
HANDICAP_S: dict[Priority, int] = {"critical": 0, "high": 10, "normal": 60, "low": 600}
HANDICAP_MAX_MS = max(HANDICAP_S.values()) * 1000
# SPEC.md §4: at most 3 retries. Messages to people have more (`reactions.notices`): mail servers are away for hours.
ATTEMPTS = 4
# The pause after the first failure, and what each further one multiplies it by: 5 s, 20 s, 80 s outlast a restart of
# a mail server; and at most an hour for types with more attempts.
RETRY_S = 5.0
RETRY_FACTOR = 4.0
RETRY_MOST_S = 3600.0


class NoPayload(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Of jobs that need to know nothing."""


class JobType(msgspec.Struct, Generic[P], frozen=True, kw_only=True):
    """A kind of job."""

    name: str
    """As ``media.transcode``: noun, dot, verb."""
    payload: type[P]
    priority: Priority = "normal"
    attempts: int = ATTEMPTS
    deadline_s: float = 60.0
    """For one attempt."""
    at_once: int | None = None
    """Most that one server runs at the same time; None: as many as it has places."""
    retry_s: float = RETRY_S
    """Pause after the first failure."""

    def order(
        self,
        payload: P,
        *,
        now_ms: int,
        run_at_ms: int | None = None,
        key: str | None = None,
        meeting_id: str | None = None,
        priority: Priority | None = None,
        node: str | None = None,
    ) -> Order:
        """An order for `store.jobs.enqueue`. ``key``: a second order with it is the first one. ``node``: who alone may
        do it, None for everybody."""
        chosen = priority or self.priority
        due_ms = now_ms if run_at_ms is None else run_at_ms
        return Order(
            id=new_id("job"),
            type=self.name,
            priority=chosen,
            payload=msgspec.json.encode(payload).decode(),
            idempotency_key=key,
            meeting_id=meeting_id,
            max_attempts=self.attempts,
            run_at_ms=due_ms,
            rank_ms=due_ms + HANDICAP_S[chosen] * 1000,
            created_at_ms=now_ms,
            node=node,
        )


def retry_delay_s(first_s: float, attempt: int, chance: float) -> float:
    """Seconds from the failure of attempt 1, 2 … to the next one. ``chance`` in [0, 1) parts jobs that failed together.

    Between half of the full pause and all of it, so that a pause is never next to none.
    """
    return min(first_s * RETRY_FACTOR ** (attempt - 1), RETRY_MOST_S) * (0.5 + chance / 2)
