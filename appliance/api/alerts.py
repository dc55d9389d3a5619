"""Alerts of meetings: listed, looked at, dismissed.

Owns who may: hosts and cohosts of the meeting, and administrators. The frame of an alert is a picture of a person: it
is stored nowhere on its way.
"""

from __future__ import annotations

from appliance.api.bodies import Empty
from appliance.api.call import Blob, Call
from appliance.api.meeting_access import find_for
from appliance.api.shapes import Nothing
from appliance.api.vision_shapes import AlertsView, alert_view
from appliance.errors import UserError
from appliance.store import audit, vision
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.vision import Alert

MOST_ALERTS = 1000
"""Of a meeting: at one a minute and person, hours of a large one."""


async def list_all(call: Call, meeting_id: str) -> AlertsView:
    """What was found in pictures of a meeting, newest first, 1000 at most (host, cohost)."""
    found = await find_for(call, meeting_id, "watch")
    rows = await call.read(vision.alerts, found.meeting.id, MOST_ALERTS)
    return AlertsView(alerts=[alert_view(row) for row in rows])


async def evidence(call: Call, alert_id: str) -> Blob:
    """The frame that an alert is about, as JPEG (host, cohost)."""
    alert = await _allowed(call, alert_id)
    picture = await call.read(vision.evidence, alert.id)
    if picture is None:
        raise UserError(404, "not_found", "no frame is kept of this alert")
    return Blob(content=picture, media_type="image/jpeg", headers={"Cache-Control": "no-store"})


async def delete(call: Call, alert_id: str, body: Empty) -> Nothing:
    """Dismiss an alert; its frame goes with it (host, cohost)."""
    alert = await _allowed(call, alert_id)
    entry = call.audit_entry("alert.delete", target=alert.meeting_id, detail=alert.kind)
    await call.run(_delete, alert.id, entry)
    return Nothing()


async def _delete(conn: Conn, alert_id: str, entry: AuditEntry) -> None:
    if await vision.remove_alert(conn, alert_id):
        await audit.insert(conn, entry)


async def _allowed(call: Call, alert_id: str) -> Alert:
    """UserError 404 also for who may not: nobody learns which there are."""
    alert = await call.read(vision.alert, alert_id)
    if alert is not None:
        try:
            await find_for(call, alert.meeting_id, "watch")
        except UserError as error:
            if error.status not in (403, 404):
                raise
        else:
            return alert
    raise UserError(404, "not_found", "there is no such alert")
