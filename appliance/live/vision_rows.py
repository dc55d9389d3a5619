"""What is kept of the analysis of pictures: rows and events of what was found. Pure, but for new ids.

Owns their shapes' making; refuses to know when.
"""

from __future__ import annotations

import msgspec

from appliance.events.catalogue import DeepfakeDetectionCompleted, EmotionDetectionCompleted
from appliance.ids import new_id
from appliance.live.camera import Suspected
from appliance.signaling.messages import Expression
from appliance.store.vision import Alert, Span


class OpenSpan(msgspec.Struct, frozen=True):
    """An expression that goes on."""

    name: str
    label: Expression
    score: float
    since_ms: int
    model: str


def span_row(span: OpenSpan, meeting_id: str, participant_id: str, end_ms: int) -> Span:
    """It has ended."""
    return Span(
        id=new_id("emo"),
        meeting_id=meeting_id,
        participant_id=participant_id,
        name=span.name,
        label=span.label,
        start_ms=span.since_ms,
        end_ms=max(span.since_ms, end_ms),
    )


def span_told(span: OpenSpan, row: Span) -> EmotionDetectionCompleted:
    """The event."""
    return EmotionDetectionCompleted(
        meeting_id=row.meeting_id,
        result_id=row.id,
        model=span.model,
        participant_id=row.participant_id,
        emotion=row.label,
        score=round(span.score, 3),
    )


def alert_row(found: Suspected, meeting_id: str, participant_id: str, name: str) -> Alert:
    """What several looks found."""
    accusation = found.accusation
    return Alert(
        id=new_id("alt"),
        meeting_id=meeting_id,
        participant_id=participant_id,
        name=name,
        kind=accusation.kind,
        score=round(accusation.score, 3),
        model=found.model,
        box=accusation.box,
        at_ms=found.at_ms,
        has_evidence=bool(found.evidence),
    )


def alert_told(row: Alert) -> DeepfakeDetectionCompleted:
    """The event."""
    return DeepfakeDetectionCompleted(
        meeting_id=row.meeting_id,
        result_id=row.id,
        model=row.model,
        participant_id=row.participant_id,
        kind="face",
        score=row.score,
        alert=True,
    )
