"""What answers about the analysis of pictures hold. Owns the structs and how rows become them."""

from __future__ import annotations

from collections.abc import Iterable

from appliance.api.shapes import Shape
from appliance.api.times import to_text
from appliance.store.vision import Alert, AlertKind, Expression, Span


class AlertView(Shape, frozen=True, kw_only=True):
    """That what a camera showed may not be what it seems: a reason to look, no proof."""

    id: str
    participant_id: str
    name: str
    kind: AlertKind
    score: float
    """How sure the model is, 0 to 1."""
    model: str
    box: tuple[float, float, float, float] | None
    """Left, top, width, height of the face in pixels of the frame; null where the whole picture is meant."""
    at: str
    has_evidence: bool
    """The frame can be had."""


class AlertsView(Shape, frozen=True, kw_only=True):
    alerts: list[AlertView]
    """Newest first."""


class EmotionsView(Shape, frozen=True, kw_only=True):
    """What somebody's face expressed; an expression that was seen, no feeling that is known."""

    participant_id: str
    name: str
    spans: list[tuple[int, int, Expression]]
    """From when to when, milliseconds since the Unix epoch, in their order."""
    shares: dict[Expression, float]
    """Of the time in which there was an expression, 0 to 1."""


def alert_view(alert: Alert) -> AlertView:
    """A row."""
    return AlertView(
        id=alert.id,
        participant_id=alert.participant_id,
        name=alert.name,
        kind=alert.kind,
        score=alert.score,
        model=alert.model,
        box=alert.box,
        at=to_text(alert.at_ms),
        has_evidence=alert.has_evidence,
    )


def emotions_views(spans: Iterable[Span]) -> list[EmotionsView]:
    """By participant, in the order of their first expression."""
    by_person: dict[str, list[Span]] = {}
    for span in spans:
        by_person.setdefault(span.participant_id, []).append(span)
    return [_emotions(theirs) for theirs in by_person.values()]


def _emotions(spans: list[Span]) -> EmotionsView:
    lasted: dict[Expression, int] = {}
    for span in spans:
        lasted[span.label] = lasted.get(span.label, 0) + span.end_ms - span.start_ms
    whole = sum(lasted.values())
    return EmotionsView(
        participant_id=spans[0].participant_id,
        name=spans[0].name,
        spans=[(span.start_ms, span.end_ms, span.label) for span in spans],
        shares={label: round(ms / whole, 4) for label, ms in lasted.items() if whole},
    )
