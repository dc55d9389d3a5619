"""Orders for a meeting's report: one is made when the meeting has ended, and again when a host asks.

Owns the type and its key; refuses to know who writes an order (`reactions`, `api`) and who carries it out (`reports`).
Pure.
"""

from __future__ import annotations

import msgspec

from appliance.job_records import Order
from appliance.jobs.types import JobType

# What was said last is still being recognised when the room closes: a final caption comes within two seconds of the end
# of its phrase, and is then written.
AFTER_END_S = 5.0


class Reporting(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Payload of `MEETING_REPORT`."""

    meeting_id: str
    run: int
    """Of the row: an older run does nothing."""


MEETING_REPORT = JobType(
    name="meeting.report",
    payload=Reporting,
    # Some fifty answers of a language model that runs on a processor.
    deadline_s=7200.0,
)


def report_key(meeting_id: str, run: int) -> str:
    """The idempotency key of a run: one job for each."""
    return f"{meeting_id}:{run}"


def report_order(*, meeting_id: str, run: int, now_ms: int, after_s: float = 0.0) -> Order:
    """The order for `store.jobs.enqueue`, in the transaction of `store.reports.ask`."""
    return MEETING_REPORT.order(
        Reporting(meeting_id=meeting_id, run=run),
        now_ms=now_ms,
        run_at_ms=now_ms + round(after_s * 1000),
        key=report_key(meeting_id, run),
        meeting_id=meeting_id,
    )
