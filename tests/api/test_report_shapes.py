"""What answers about reports hold, whole or in part."""

from __future__ import annotations

from msgspec import structs

from appliance.api.report_shapes import content_view
from appliance.reports.extractive import extractive, quote_of
from appliance.reports.records import Point
from tests.support.said import REVIEW


def test_a_point_of_which_a_part_was_not_heard_is_not_shown() -> None:
    report = extractive(REVIEW, [])
    both = Point(text="Both.", sources=(quote_of(REVIEW[0]), quote_of(REVIEW[1])))
    report = structs.replace(report, summary=(both,), method="generated", model="m")
    assert [p.text for p in content_view(report, seen=None, speakers=()).summary] == ["Both."]
    assert content_view(report, seen={"cap_0"}, speakers=()).summary == []
    part = content_view(report, seen={"cap_0", "cap_1"}, speakers=report.speakers)
    assert [p.text for p in part.summary] == ["Both."] and part.phrases == 2
    assert part.decisions == part.actions == []
    assert [one.name for one in part.speakers] == ["Cleo", "Ann", "Ben"] or len(part.speakers) == 3


def test_times_are_texts() -> None:
    view = content_view(extractive(REVIEW, []), seen=None, speakers=())
    assert view.start_time == "2025-11-24T16:00:00.000Z" and view.summary[0].sources[0].time.endswith("Z")
