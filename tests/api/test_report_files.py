"""A report as Markdown, of what people say on purpose."""

from __future__ import annotations

from msgspec import structs

from appliance.api.report_files import markdown
from appliance.api.report_shapes import ReportContent, content_view
from appliance.reports.extractive import extractive, quote_of
from appliance.reports.records import Action, Attendee, Chapter, Report, Stay
from tests.support.said import REVIEW, T0, phrase


def view(report: Report) -> ReportContent:
    return content_view(report, seen=None, speakers=report.speakers)


def test_everything_has_its_heading_and_nothing_found_is_said() -> None:
    here = Attendee(
        participant_id="p", name="Ann", role="host", is_guest=False,
        stays=(Stay(joined_at_ms=T0, left_at_ms=T0 + 60_000), Stay(joined_at_ms=T0 + 120_000, left_at_ms=None)),
    )  # fmt: skip
    chapter = Chapter(begins_at_ms=T0, ends_at_ms=T0 + 1, heading=quote_of(REVIEW[0]))
    report = structs.replace(extractive(REVIEW, []), attendees=(here,), chapters=(chapter,), decisions=())
    text = markdown("Library", view(report), is_partial=False)
    assert text.startswith("# Library\n\n2025-11-24, 16:00 to 16:00 UTC\n\nExtractive: sentences that were said")
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == [
        f"## {name}" for name in ("Summary", "Decisions", "Action items", "Chapters", "Talk time", "Participants")
    ]
    assert "## Decisions\n\nNone found.\n" in text
    said = "“I'll send the list of the windows to the supplier by Friday.” (Ben, 16:00:21)"
    assert f"- **Ben** (by Friday): {said}" in text
    assert "| Ann | 0:08 | 40% | 4 | 0:02 |" in text
    assert "| Ann | host | 16:00 to 16:01, 16:02 to … |" in text


def test_what_a_model_wrote_stands_above_what_was_said() -> None:
    action = Action(text="Send *it*.", sources=(quote_of(REVIEW[7]),))
    report = structs.replace(extractive(REVIEW, []), method="generated", model="qwen2.5:7b", actions=(action,))
    text = markdown("t", view(report), is_partial=False)
    assert "Written by the language model qwen2.5:7b;" in text
    assert "- Nobody named: Send \\*it\\*.\n  - “I'll send the list" in text


def test_failures_and_parts_are_said() -> None:
    report = structs.replace(extractive(REVIEW, [], is_complete=False), fallback_reason="it answered 500")
    text = markdown("t", view(report), is_partial=True)
    assert "The language model did not answer: it answered 500" in text
    assert "Only what was said while you were there." in text and "first 10 phrases" in text


def test_what_is_said_is_no_markup() -> None:
    said = [phrase(1, "A|b\n# c", "We decided to take [this](javascript:x) <b>now</b> and | that.", start_s=0)]
    text = markdown("# x", view(extractive(said, [])), is_partial=False)
    assert "\\[this\\]\\(javascript:x\\) \\<b\\>now\\</b\\> and \\| that." in text
    assert "| A\\|b \\# c | 0:02 | 100% | 1 | 0:02 |" in text
