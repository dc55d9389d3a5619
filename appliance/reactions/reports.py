"""A meeting that has ended gets its report: the order is written in the transaction that marks the event told.

Owns when one is ordered: each time that a meeting ends of which something was kept. Refuses to make it (`reports`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from appliance.bus.relay import Reaction
from appliance.events.catalogue import MeetingEnded
from appliance.events.envelope import Envelope
from appliance.jobs.report_orders import AFTER_END_S, report_order
from appliance.store import jobs, reports
from appliance.store.database import Conn


def report_reaction(now_ms: Callable[[], int]) -> Reaction:
    """Lasting under its name: what is owed is kept over restarts."""
    return Reaction(name="reports", types=frozenset({"meeting.ended"}), react=partial(_react, now_ms))


async def _react(now_ms: Callable[[], int], conn: Conn, envelope: Envelope) -> None:
    if isinstance(envelope.event, MeetingEnded):
        meeting_id, at_ms = envelope.event.meeting_id, now_ms()
        run = await reports.ask(conn, meeting_id, at_ms)
        if run is not None:
            await jobs.enqueue(conn, report_order(meeting_id=meeting_id, run=run, now_ms=at_ms, after_s=AFTER_END_S))
