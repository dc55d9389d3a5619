"""Reports of meetings: read, saved as a file, made again.

Owns who may: as the transcript (`transcripts`), which it quotes; hosts and cohosts have it made. Those who see only a
part of the transcript are shown the same part of the report.
"""

from __future__ import annotations

from appliance.api.alerts import MOST_ALERTS
from appliance.api.bodies import Empty, ReportQuery
from appliance.api.call import Blob, Call
from appliance.api.file_names import disposition
from appliance.api.meeting_access import Found, acting_role, file_name, find, find_for, transcript_scope
from appliance.api.report_files import markdown
from appliance.api.report_shapes import ReportContent, ReportStatus, ReportView, content_view
from appliance.api.times import to_text_or_none
from appliance.api.vision_shapes import alert_view, emotions_views
from appliance.errors import UserError
from appliance.jobs.report_orders import MEETING_REPORT, report_key, report_order
from appliance.meeting import permissions
from appliance.reports import talk
from appliance.reports.making import MOST_JOINS, MOST_PHRASES
from appliance.reports.records import Report, decode
from appliance.store import jobs, participants, reports, transcripts, vision
from appliance.store.database import Conn
from appliance.store.reports import StoredReport

MOST_SPANS = 10_000
"""Of a report: an hour of twenty people whose expression changes each eight seconds."""


async def show(call: Call, meeting_id: str, query: ReportQuery) -> ReportView | Blob:
    """What is left of a meeting: summary, decisions, actions, who spoke how long; with ``format`` md as a file."""
    found = await call.read(find, meeting_id, call.user.id)
    view = await _view(call, found)
    if query.format == "json":
        return view
    if view.report is None:
        raise UserError(409, "not_ready", "this meeting has no report yet")
    name = disposition("attachment", f"{file_name(found.meeting)} report.md")
    return Blob(
        content=markdown(found.meeting.title, view.report, is_partial=view.is_partial).encode(),
        media_type="text/markdown; charset=utf-8",
        headers={"Content-Disposition": name, "Cache-Control": "private, no-cache"},
    )


async def make(call: Call, meeting_id: str, body: Empty) -> ReportView:
    """Have the report made, or made again of what is kept now; one that is being made goes on (host, cohost)."""
    found = await find_for(call, meeting_id, "report")
    if not await call.run(_order, found.meeting.id, call.now_ms):
        raise UserError(409, "no_transcript", "nothing is kept of what was said in this meeting")
    return await _view(call, found)


async def _order(conn: Conn, meeting_id: str, now_ms: int) -> bool:
    stored = await reports.find(conn, meeting_id)
    if stored is not None and await _status(conn, stored) == "making":
        return True
    run = await reports.ask(conn, meeting_id, now_ms)
    if run is not None:
        await jobs.enqueue(conn, report_order(meeting_id=meeting_id, run=run, now_ms=now_ms))
    return run is not None


async def _view(call: Call, found: Found) -> ReportView:
    scope = transcript_scope(found, call.user)
    if scope is None:
        raise UserError(403, "forbidden", "you may not see the report of this meeting")
    present_id = call.user.id if scope == "present" else None
    stored, status, content = await call.read(_read, found.meeting.id, present_id)
    emotions, seen = [], []
    if permissions.allowed(acting_role(call, found), "watch"):
        emotions = emotions_views(await call.read(vision.spans, found.meeting.id, MOST_SPANS))
        seen = [alert_view(row) for row in await call.read(vision.alerts, found.meeting.id, MOST_ALERTS)]
    return ReportView(
        meeting_id=found.meeting.id,
        meeting_code=found.meeting.code,
        meeting_title=found.meeting.title,
        status=status,
        may_make=found.has_transcript and permissions.allowed(acting_role(call, found), "report"),
        is_partial=present_id is not None,
        made_at=None if stored is None else to_text_or_none(stored.made_at_ms),
        report=content,
        emotions=emotions,
        alerts=seen,
    )


async def _read(
    conn: Conn, meeting_id: str, present_id: str | None
) -> tuple[StoredReport | None, ReportStatus, ReportContent | None]:
    stored = await reports.find(conn, meeting_id)
    if stored is None:
        return None, "none", None
    status = await _status(conn, stored)
    if stored.content is None:
        return stored, status, None
    report = decode(stored.content)
    if present_id is None:
        return stored, status, content_view(report, seen=None, speakers=report.speakers)
    return stored, status, await _part(conn, meeting_id, report, present_id)


async def _part(conn: Conn, meeting_id: str, report: Report, present_id: str) -> ReportContent:
    """What this account was there for."""
    segments = await transcripts.page(conn, meeting_id, present_id=present_id, after=None, limit=MOST_PHRASES)
    joins = await participants.page(conn, meeting_id, active=None, after=None, limit=MOST_JOINS)
    return content_view(
        report, seen={segment.id for segment in segments}, speakers=talk.speakers(segments, joins)
    )


async def _status(conn: Conn, stored: StoredReport) -> ReportStatus:
    """How far the run is that was asked for last: its job says."""
    if stored.made_run == stored.run:
        return "ready"
    job = await jobs.by_key(conn, MEETING_REPORT.name, report_key(stored.meeting_id, stored.run))
    return "making" if job is not None and job.state in ("waiting", "running") else "failed"
