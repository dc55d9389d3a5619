"""Orders for a meeting's report."""

from __future__ import annotations

import msgspec

from appliance.jobs.report_orders import MEETING_REPORT, Reporting, report_key, report_order


def test_each_run_is_one_job_and_waits_for_the_last_words() -> None:
    order = report_order(meeting_id="mtg_m", run=2, now_ms=1000, after_s=5.0)
    assert (order.type, order.meeting_id, order.run_at_ms, order.node) == (MEETING_REPORT.name, "mtg_m", 6000, None)
    assert order.idempotency_key == report_key("mtg_m", 2) != report_key("mtg_m", 3)
    assert msgspec.json.decode(order.payload, type=Reporting) == Reporting(meeting_id="mtg_m", run=2)
    assert report_order(meeting_id="mtg_m", run=2, now_ms=1000).run_at_ms == 1000
