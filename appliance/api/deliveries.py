"""Events that a listener or a reaction could not be told for good: what and why, and telling them again."""

from __future__ import annotations

from appliance.api.admin_shapes import DeliveryView, delivery_view
from appliance.api.bodies import DeliveriesQuery, Empty
from appliance.api.call import Call
from appliance.api.pages import Page, cut, decode_cursor
from appliance.api.shapes import Nothing
from appliance.errors import UserError
from appliance.store import audit, outbox
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn


async def list_page(call: Call, query: DeliveriesQuery) -> Page[DeliveryView]:
    """Deliveries of events that were given up, newest first; forgotten with their events, `bus.keep_days` after these.

    A subscriber is ``plugin.<name>``, or a reaction of the server itself.
    """
    rows = await call.read(
        outbox.given_up,
        subscriber=query.subscriber,
        after=decode_cursor(query.cursor),
        limit=query.limit + 1,
    )
    return cut(rows, query.limit, delivery_view, lambda row: row.cursor)


async def send_again(call: Call, subscriber: str, event_id: str, body: Empty) -> Nothing:
    """Tell it again, with all its attempts. 404 when it was not given up."""
    entry = call.audit_entry("admin.delivery.retry", target=event_id, detail=subscriber)
    await call.run(_send_again, subscriber, event_id, entry, call.now_ms)
    return Nothing()


async def _send_again(conn: Conn, subscriber: str, event_id: str, entry: AuditEntry, now_ms: int) -> None:
    if not await outbox.send_again(conn, subscriber, event_id, now_ms):
        raise UserError(404, "not_found", "no such delivery was given up", field="event_id")
    await audit.insert(conn, entry)
