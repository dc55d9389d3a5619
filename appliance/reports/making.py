"""The job that makes a meeting's report and keeps it beside its meeting.

Owns what is read, in which order it is tried, and that a report is kept once for each time that one was asked for: a
run that is over, or whose transcript was deleted meanwhile, changes nothing. Refuses to know when one is ordered.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import structlog

from appliance.jobs.places import JobContext, Processes
from appliance.jobs.registry import Registry
from appliance.jobs.report_orders import MEETING_REPORT, Reporting
from appliance.reports.completions import CompletionError, Completions
from appliance.reports.extractive import extractive
from appliance.reports.generated import generated
from appliance.reports.records import Report, encode
from appliance.settings import SummarySettings
from appliance.store import participants, reports, transcripts
from appliance.store.database import Conn, Database
from appliance.store.participants import ParticipantRecord
from appliance.store.transcripts import Segment

_log = structlog.get_logger(__name__)

# A day of people who never pause says about 30,000 phrases: 9 s of a processor and 60 MB.
MOST_PHRASES = 50_000
# More connections than a meeting of a thousand makes in a day.
MOST_JOINS = 10_000


def add_report_jobs(
    registry: Registry, database: Database, settings: SummarySettings, *, now_ms: Callable[[], int]
) -> None:
    """Bind `MEETING_REPORT`."""
    # Of its own, so that a report does not wait for the film of its meeting.
    processes = Processes(1)
    completions = Completions(settings) if settings.url else None

    async def make(_context: JobContext, payload: Reporting) -> str:
        material = await database.read(_material, payload)
        if material is None:
            return "not wanted any more"
        segments, joins = material
        if not segments:
            return "nothing was said"
        complete = len(segments) <= MOST_PHRASES
        report = await processes.run(_extract, segments[:MOST_PHRASES], joins, complete)
        if completions is not None:
            report = await _written(completions, settings, report, segments[:MOST_PHRASES])
        kept = await database.run(reports.keep, payload.meeting_id, payload.run, encode(report), now_ms())
        return report.method if kept else "not wanted any more"

    registry.task(MEETING_REPORT, make)


async def _material(conn: Conn, payload: Reporting) -> tuple[list[Segment], list[ParticipantRecord]] | None:
    stored = await reports.find(conn, payload.meeting_id)
    if stored is None or stored.run != payload.run or stored.made_run == payload.run:
        return None
    segments = await transcripts.page(
        conn, payload.meeting_id, present_id=None, after=None, limit=MOST_PHRASES + 1
    )
    joins = await participants.page(conn, payload.meeting_id, active=None, after=None, limit=MOST_JOINS)
    return segments, joins


def _extract(segments: list[Segment], joins: list[ParticipantRecord], is_complete: bool) -> Report:
    return extractive(segments, joins, is_complete=is_complete)


async def _written(
    completions: Completions, settings: SummarySettings, extract: Report, segments: list[Segment]
) -> Report:
    """By the language model; where it fails the report is the extractive one, and says why."""
    try:
        return await generated(completions.complete, settings.model, extract, segments, settings.piece_tokens)
    except CompletionError as error:
        _log.warning(
            "report_not_written",
            model=settings.model,
            reason=str(error),
            detail=error.detail,
            effect="the report is extractive",
        )
        return msgspec.structs.replace(extract, fallback_reason=str(error))
