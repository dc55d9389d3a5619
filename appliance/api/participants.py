"""Who was and is in a meeting."""

from __future__ import annotations

from appliance.api.bodies import ParticipantsQuery
from appliance.api.call import Call
from appliance.api.meeting_access import find_for
from appliance.api.pages import Page, cut, decode_cursor
from appliance.api.shapes import ParticipantView, participant_view
from appliance.store import participants


async def list_page(call: Call, meeting_id: str, query: ParticipantsQuery) -> Page[ParticipantView]:
    """Joins of the meeting in their order, every one kept; ``active`` true for who is in the room now."""
    found = await find_for(call, meeting_id, "list_participants")
    rows = await call.read(
        participants.page,
        found.meeting.id,
        active=query.active,
        after=decode_cursor(query.cursor),
        limit=query.limit + 1,
    )
    return cut(rows, query.limit, participant_view, lambda record: (record.joined_at_ms, record.id))
