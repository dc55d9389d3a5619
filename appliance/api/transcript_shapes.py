"""What answers about transcripts hold. Owns the structs and how rows become them."""

from __future__ import annotations

from appliance.api.shapes import Shape
from appliance.api.times import to_text
from appliance.store.transcripts import FoundSegment, Segment


class SegmentView(Shape, frozen=True, kw_only=True):
    """One phrase of one speaker."""

    id: str
    """Of the caption that showed it."""
    participant_id: str
    name: str
    """Of the speaker, as it was then."""
    start_time: str
    end_time: str
    text: str
    language: str


class FoundSegmentView(SegmentView, frozen=True, kw_only=True):
    """A phrase, and where it was said."""

    meeting_id: str
    meeting_code: str
    meeting_title: str


def segment_view(segment: Segment) -> SegmentView:
    """For those who may see the transcript."""
    return SegmentView(
        id=segment.id,
        participant_id=segment.participant_id,
        name=segment.name,
        start_time=to_text(segment.start_ms),
        end_time=to_text(segment.end_ms),
        text=segment.text,
        language=segment.language,
    )


def found_segment_view(segment: FoundSegment) -> FoundSegmentView:
    """One that was searched for."""
    return FoundSegmentView(
        id=segment.id,
        participant_id=segment.participant_id,
        name=segment.name,
        start_time=to_text(segment.start_ms),
        end_time=to_text(segment.end_ms),
        text=segment.text,
        language=segment.language,
        meeting_id=segment.meeting_id,
        meeting_code=segment.code,
        meeting_title=segment.title,
    )
