"""What was said in meetings: read, saved as a file, searched, deleted.

Owns who may: hosts and cohosts all of it; where the meeting shows its recordings to participants, these what was said
while they were there; whoever was removed from the meeting nothing; administrators all.
"""

from __future__ import annotations

from appliance.api.bodies import Empty, TranscriptQuery, TranscriptSearchQuery
from appliance.api.call import Blob, Call
from appliance.api.file_names import disposition
from appliance.api.meeting_access import file_name, find, find_for, transcript_scope
from appliance.api.pages import Page, cut, decode_cursor
from appliance.api.shapes import Nothing
from appliance.api.transcript_files import written
from appliance.api.transcript_shapes import FoundSegmentView, SegmentView, found_segment_view, segment_view
from appliance.errors import UserError
from appliance.store import audit, reports, transcripts, vision
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.transcripts import FoundSegment, Segment

# A day of people who never pause says about 30,000 phrases: 6 MB. More is read as pages.
MOST_IN_FILE = 50_000


async def show(call: Call, meeting_id: str, query: TranscriptQuery) -> Page[SegmentView] | Blob:
    """What was said, in the order of speaking; with ``format`` vtt, srt or md all of it as a file."""
    found = await call.read(find, meeting_id, call.user.id)
    scope = transcript_scope(found, call.user)
    if scope is None:
        raise UserError(403, "forbidden", "you may not see the transcript of this meeting")
    present_id = call.user.id if scope == "present" else None
    if query.format == "json":
        after = decode_cursor(query.cursor)
        rows = await call.read(
            transcripts.page, found.meeting.id, present_id=present_id, after=after, limit=query.limit + 1
        )
        return cut(rows, query.limit, segment_view, _key)
    rows = await call.read(
        transcripts.page, found.meeting.id, present_id=present_id, after=None, limit=MOST_IN_FILE + 1
    )
    if len(rows) > MOST_IN_FILE:
        raise UserError(413, "too_large", f"more than {MOST_IN_FILE} phrases: read them as pages", field="format")
    file = written(rows, found.meeting.title, query.format)
    name = f"{file_name(found.meeting)}.{query.format}"
    return Blob(
        content=file.content,
        media_type=file.media_type,
        headers={"Content-Disposition": disposition("attachment", name), "Cache-Control": "private, no-cache"},
    )


async def search(call: Call, query: TranscriptSearchQuery) -> Page[FoundSegmentView]:
    """Phrases that hold the text, in every meeting whose transcript I may see, newest first."""
    text = query.query.strip()
    if not text:
        raise UserError(400, "invalid_field", "query: nothing but white space", field="query")
    viewer_id = None if call.user.role == "admin" else call.user.id
    after = decode_cursor(query.cursor)
    only = {"meeting": query.meeting_id, "speaker": query.speaker}
    rows: list[FoundSegment] = await call.read(
        transcripts.search, text, viewer_id=viewer_id, after=after, limit=query.limit + 1, **only
    )
    return cut(rows, query.limit, found_segment_view, _key)


async def delete(call: Call, meeting_id: str, body: Empty) -> Nothing:
    """Delete what was said in a meeting, and the report of it with what was found in pictures; captions that are on
    go on (host)."""
    found = await find_for(call, meeting_id, "delete")
    await call.run(_delete, found.meeting.id, call.audit_entry("transcript.delete", target=found.meeting.id))
    return Nothing()


async def _delete(conn: Conn, meeting_id: str, entry: AuditEntry) -> None:
    await transcripts.remove_meeting(conn, meeting_id)
    await reports.remove_meeting(conn, meeting_id)
    await vision.remove_meeting(conn, meeting_id)
    await audit.insert(conn, entry)


def _key(segment: Segment) -> tuple[int, str]:
    return segment.start_ms, segment.id
