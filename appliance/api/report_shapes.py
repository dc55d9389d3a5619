"""What answers about meetings' reports hold. Owns the structs and how a kept report becomes them.

Somebody who may see only what was said while they were there is shown the points whose every source was said then; how
much people spoke is counted from what they heard.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from appliance.api.shapes import Shape
from appliance.api.times import to_text, to_text_or_none
from appliance.api.vision_shapes import AlertView, EmotionsView
from appliance.reports.records import Action, Method, Point, Quote, Report, Speaker
from appliance.store.participants import MeetingRole

ReportStatus = Literal["none", "making", "ready", "failed"]


class QuoteView(Shape, frozen=True, kw_only=True):
    """What somebody said."""

    segment_id: str
    """Of the transcript: `SegmentView.id`."""
    participant_id: str
    name: str
    time: str
    text: str
    language: str


class PointView(Shape, frozen=True, kw_only=True):
    """Of the summary, or a decision."""

    text: str
    """Written by a language model; empty where the quote says it itself."""
    sources: list[QuoteView]


class ActionView(PointView, frozen=True, kw_only=True):
    """Something that somebody is to do."""

    owner: str
    """A name; empty where nobody is named."""
    due: str
    """As it was said."""


class ChapterView(Shape, frozen=True, kw_only=True):
    """A part of the meeting with words of its own."""

    start_time: str
    end_time: str
    heading: QuoteView


class SpeakerView(Shape, frozen=True, kw_only=True):
    """How much somebody spoke."""

    participant_id: str
    name: str
    talk_ms: int
    share: float
    """Of all that was spoken, 0 to 1."""
    turns: int
    longest_turn_ms: int


class StayView(Shape, frozen=True, kw_only=True):
    """From when to when somebody was there."""

    joined_at: str
    left_at: str | None
    """Null: was still there when the report was made."""


class AttendeeView(Shape, frozen=True, kw_only=True):
    """Somebody who was there."""

    participant_id: str
    name: str
    role: MeetingRole
    is_guest: bool
    stays: list[StayView]


class ReportContent(Shape, frozen=True, kw_only=True):
    """The report itself."""

    method: Method
    """``extractive``: sentences that were said, chosen by rule. ``generated``: written by a language model."""
    model: str
    """That wrote it."""
    fallback_reason: str
    """Why it is extractive although a language model is configured."""
    start_time: str
    """Of the first phrase."""
    end_time: str
    phrases: int
    """That it was made of."""
    is_complete: bool
    """False: there was more than was looked at."""
    summary: list[PointView]
    decisions: list[PointView]
    actions: list[ActionView]
    chapters: list[ChapterView]
    """Empty for a meeting of one subject."""
    speakers: list[SpeakerView]
    """Most first."""
    attendees: list[AttendeeView]


class ReportView(Shape, frozen=True, kw_only=True):
    """A meeting's report, or how far it is."""

    meeting_id: str
    meeting_code: str
    meeting_title: str
    status: ReportStatus
    """``none``: never asked for. While one is made anew, ``report`` is the one before."""
    may_make: bool
    """`POST` has one made."""
    is_partial: bool
    """Only what was said while one was there."""
    made_at: str | None
    report: ReportContent | None
    emotions: list[EmotionsView]
    """What faces expressed, for hosts alone; empty where nobody was analysed."""
    alerts: list[AlertView]
    """What was found in pictures, newest first, for hosts alone."""


def content_view(report: Report, *, seen: set[str] | None, speakers: Iterable[Speaker]) -> ReportContent:
    """``seen``: ids of the phrases that the reader may see, None for all. ``speakers``: of these."""
    return ReportContent(
        method=report.method,
        model=report.model,
        fallback_reason=report.fallback_reason,
        start_time=to_text(report.begins_at_ms),
        end_time=to_text(report.ends_at_ms),
        phrases=report.phrases if seen is None else len(seen),
        is_complete=report.is_complete,
        summary=[_point(point) for point in report.summary if _is_seen(point, seen)],
        decisions=[_point(point) for point in report.decisions if _is_seen(point, seen)],
        actions=[_action(action) for action in report.actions if _is_seen(action, seen)],
        chapters=[
            ChapterView(
                start_time=to_text(chapter.begins_at_ms),
                end_time=to_text(chapter.ends_at_ms),
                heading=_quote(chapter.heading),
            )
            for chapter in report.chapters
            if seen is None or chapter.heading.segment_id in seen
        ],
        speakers=[
            SpeakerView(
                participant_id=one.participant_id,
                name=one.name,
                talk_ms=one.talk_ms,
                share=one.share,
                turns=one.turns,
                longest_turn_ms=one.longest_turn_ms,
            )
            for one in speakers
        ],
        attendees=[
            AttendeeView(
                participant_id=one.participant_id,
                name=one.name,
                role=one.role,
                is_guest=one.is_guest,
                stays=[
                    StayView(joined_at=to_text(stay.joined_at_ms), left_at=to_text_or_none(stay.left_at_ms))
                    for stay in one.stays
                ],
            )
            for one in report.attendees
        ],
    )


def _is_seen(point: Point, seen: set[str] | None) -> bool:
    return seen is None or all(source.segment_id in seen for source in point.sources)


def _quote(quote: Quote) -> QuoteView:
    return QuoteView(
        segment_id=quote.segment_id,
        participant_id=quote.participant_id,
        name=quote.name,
        time=to_text(quote.said_at_ms),
        text=quote.text,
        language=quote.language,
    )


def _point(point: Point) -> PointView:
    return PointView(text=point.text, sources=[_quote(source) for source in point.sources])


def _action(action: Action) -> ActionView:
    sources = [_quote(source) for source in action.sources]
    return ActionView(text=action.text, sources=sources, owner=action.owner, due=action.due)
