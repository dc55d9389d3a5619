"""Chat history over HTTP; writing is on the signaling socket."""

from __future__ import annotations

from appliance.api.bodies import MessagesQuery
from appliance.api.call import Call
from appliance.api.meeting_access import find_for
from appliance.api.pages import Page
from appliance.signaling.messages import ChatMessage
from appliance.store import messages
from appliance.store.messages import StoredMessage


async def list_page(call: Call, meeting_id: str, query: MessagesQuery) -> Page[ChatMessage]:
    """Chat lines with a number above ``after_seq``, oldest first; ``next_cursor`` is the next ``after_seq``."""
    found = await find_for(call, meeting_id, "history")
    rows = await call.read(messages.after, found.meeting.id, query.after_seq, query.limit + 1)
    shown = rows[: query.limit]
    more = len(rows) > query.limit
    return Page(items=[_view(row) for row in shown], next_cursor=str(shown[-1].chat_seq) if more else None)


def _view(row: StoredMessage) -> ChatMessage:
    return ChatMessage(
        chat_seq=row.chat_seq,
        message_id=row.id,
        participant_id=row.participant_id,
        user_id=row.user_id,
        name=row.name,
        text=row.text,
        sent_at_ms=row.sent_at_ms,
    )
