"""A report without a language model quotes what was said, in English and Chinese."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from appliance.reports.extractive import extractive, quote_of
from appliance.reports.records import Point
from appliance.store.transcripts import Segment
from tests.support.said import REVIEW, WEEKLY, phrase, talk


def texts(points: Sequence[Point]) -> list[str]:
    return [source.text for point in points for source in point.sources]


@pytest.mark.parametrize("said", [REVIEW, WEEKLY])
def test_every_point_is_a_sentence_that_was_said_then_by_them(said: list[Segment]) -> None:
    report = extractive(said, [])
    by_id = {segment.id: segment for segment in said}
    points = [*report.summary, *report.decisions, *report.actions]
    assert points
    for point in points:
        (quote,) = point.sources
        segment = by_id[quote.segment_id]
        assert quote.text in segment.text and not point.text
        assert (quote.name, quote.said_at_ms, quote.language) == (segment.name, segment.start_ms, segment.language)
    assert report.method == "extractive" and report.phrases == len(said) and report.is_complete
    assert (report.begins_at_ms, report.ends_at_ms) == (said[0].start_ms, said[-1].end_ms)


def test_an_english_meeting() -> None:
    report = extractive(REVIEW, [])
    summary = texts(report.summary)
    assert len(summary) == 3 and not any(text.endswith("?") or text in ("Yeah.", "Thanks.") for text in summary)
    assert summary == [text for segment in REVIEW for text in summary if text in segment.text]  # as it was said
    assert texts(report.decisions) == ["Then we agreed to take the smaller windows and to keep the wide stairs."]
    assert [(action.owner, action.due) for action in report.actions] == [("Ben", "by Friday"), ("Cleo", "")]


def test_a_chinese_meeting() -> None:
    report = extractive(WEEKLY, [])
    assert len(report.summary) == 3 and "嗯。" not in texts(report.summary)
    assert texts(report.decisions) == ["那我们决定窗户做小一点，楼梯保持不变。"]
    assert [(action.owner, action.due) for action in report.actions] == [("李雷", "周五之前"), ("李雷", "")]


def test_what_is_said_again_is_told_once() -> None:
    report = extractive(talk([("Ann", "We decided to take it."), ("Ann", "We decided to take it.")]), [])
    assert [point.sources[0].segment_id for point in report.decisions] == ["cap_0"]


def test_a_meeting_of_a_word_has_no_summary() -> None:
    report = extractive([phrase(1, "Ann", "Hello.", start_s=0)], [], is_complete=False)
    assert report.summary == report.decisions == report.actions == report.chapters == ()
    assert report.speakers[0].share == 1 and not report.is_complete
    assert extractive([phrase(1, "Ann", " … ", start_s=0)], []).summary == ()


def test_chapters_begin_with_what_is_said_in_them() -> None:
    first = [("Ann", f"The wooden stairs number {n} need a handrail and steps.") for n in range(40)]
    second = [("Ben", f"The budget of invoice {n} goes to the bank with tax.") for n in range(40)]
    report = extractive(talk([*first, *second], each_s=10), [])
    assert [chapter.heading.name for chapter in report.chapters] == ["Ann", "Ben"]
    assert report.chapters[0].ends_at_ms == report.chapters[1].begins_at_ms
    assert report.chapters[-1].ends_at_ms == report.ends_at_ms


def test_a_quote_is_one_line() -> None:
    assert quote_of(phrase(1, "Ann", "a\n b", start_s=0)).text == "a b"


def test_greetings_are_no_summary() -> None:
    lines = [(segment.name, segment.text) for segment in REVIEW]
    courteous = [("Cleo", "Thanks everybody, see you all next week."), ("李雷", "谢谢大家，我们下周再见，祝周末愉快。")]
    report = extractive(talk([*lines, *courteous]), [])
    assert not {text for _, text in courteous} & set(texts(report.summary))
    # What is about something is kept, however polite.
    longer = "Thank you for the drawings, which show that the windows fit the budget of the library."
    assert longer in texts(extractive(talk([("Ann", longer)]), []).summary)
