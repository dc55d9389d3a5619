"""A meeting's report as Markdown; pure. Times are in UTC: who reads the file may be anywhere."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.api.report_shapes import ActionView, PointView, QuoteView, ReportContent
from appliance.api.transcript_files import escaped


def markdown(title: str, report: ReportContent, *, is_partial: bool) -> str:
    """Headings, lists and tables; an empty part is left out, but for decisions and actions, where none is an answer."""
    parts = [
        f"# {escaped(title)}",
        f"{report.start_time[:10]}, {report.start_time[11:16]} to {report.end_time[11:16]} UTC",
        _origin(report),
    ]
    if is_partial:
        parts.append("Only what was said while you were there.")
    if not report.is_complete:
        parts.append(f"The meeting was longer: this is of its first {report.phrases} phrases.")
    parts += ["## Summary", _list([_point(point) for point in report.summary])]
    parts += ["## Decisions", _list([_point(point) for point in report.decisions])]
    parts += ["## Action items", _list([_action(action) for action in report.actions])]
    if report.chapters:
        chapters = [f"{one.start_time[11:16]} {escaped(one.heading.text)}" for one in report.chapters]
        parts += ["## Chapters", _list(chapters)]
    if report.speakers:
        rows = [
            (escaped(one.name), _span(one.talk_ms), f"{one.share:.0%}", str(one.turns), _span(one.longest_turn_ms))
            for one in report.speakers
        ]
        parts += ["## Talk time", _table(("Name", "Spoken", "Share", "Turns", "Longest turn"), rows)]
    if report.attendees:
        people = [
            (
                escaped(one.name),
                "guest" if one.is_guest else one.role,
                ", ".join(f"{s.joined_at[11:16]} to {s.left_at[11:16] if s.left_at else '…'}" for s in one.stays),
            )
            for one in report.attendees
        ]
        parts += ["## Participants", _table(("Name", "Role", "There"), people)]
    return "\n\n".join(parts) + "\n"


def _origin(report: ReportContent) -> str:
    if report.method == "generated":
        return f"Written by the language model {escaped(report.model)}; each point names what was said."
    said = "Extractive: sentences that were said, chosen by rule, none of it written by a model."
    reason = report.fallback_reason
    return f"{said} The language model did not answer: {escaped(reason)}" if reason else said


def _list(lines: Sequence[str]) -> str:
    return "\n".join(f"- {line}" for line in lines) if lines else "None found."


def _point(point: PointView) -> str:
    if not point.text:
        return _quote(point.sources[0])
    quotes = "".join(f"\n  - {_quote(source)}" for source in point.sources)
    return escaped(point.text) + quotes


def _action(action: ActionView) -> str:
    who = f"**{escaped(action.owner)}**" if action.owner else "Nobody named"
    due = f" ({escaped(action.due)})" if action.due else ""
    return f"{who}{due}: {_point(action)}"


def _quote(quote: QuoteView) -> str:
    return f"“{escaped(quote.text)}” ({escaped(quote.name)}, {quote.time[11:19]})"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _span(ms: int) -> str:
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes}:{seconds:02d}"
