"""What I was told and how it reached me, what I want to be told, and a try of it."""

from __future__ import annotations

import msgspec

from appliance.api.bodies import Empty, PageQuery, PreferencesBody
from appliance.api.call import Call
from appliance.api.limits import TEST_NOTIFICATION_LIMIT
from appliance.api.notification_shapes import (
    NotificationView,
    Preferences,
    notification_view,
    preferences_view,
)
from appliance.api.pages import Page, cut, decode_cursor
from appliance.errors import UserError
from appliance.hooks.contract import Notification
from appliance.ids import new_id
from appliance.reactions.words import KINDS, known_zone
from appliance.store import notifications
from appliance.store.database import Conn
from appliance.store.notifications import Delivery, Kept, Profile


async def list_page(call: Call, query: PageQuery) -> Page[NotificationView]:
    """My notifications, newest first, each with how it fared with every notifier."""
    rows = await call.read(_page, call.user.id, decode_cursor(query.cursor), query.limit + 1)
    return cut(rows, query.limit, _view, lambda row: (row[0].created_at_ms, row[0].id))


async def _page(
    conn: Conn, user_id: str, after: tuple[int, str] | None, limit: int
) -> list[tuple[Kept, list[Delivery]]]:
    found = await notifications.page(conn, user_id, after=after, limit=limit)
    return [(kept, await notifications.deliveries(conn, kept.id)) for kept in found]


def _view(row: tuple[Kept, list[Delivery]]) -> NotificationView:
    kept, deliveries = row
    return notification_view(kept, msgspec.json.decode(kept.message, type=Notification), deliveries)


async def preferences(call: Call) -> Preferences:
    """In which language and by which notifiers I am told of what."""
    profile, refused = await call.read(_preferences, call.user.id)
    return preferences_view(profile, refused, KINDS, call.services.plugins.notifiers())


async def _preferences(conn: Conn, user_id: str) -> tuple[Profile, set[tuple[str, str]]]:
    return await notifications.profile(conn, user_id), await notifications.refusals(conn, user_id)


async def set_preferences(call: Call, body: PreferencesBody) -> Preferences:
    """Change them; fields left out stay. ``off`` names everything that is not wanted."""
    if body.time_zone is not None and known_zone(body.time_zone) != body.time_zone:
        raise UserError(400, "invalid_field", "time_zone is not in the IANA database", field="time_zone")
    off = None
    if body.off is not None:
        off = set()
        notifiers = call.services.plugins.notifiers()
        for n, one in enumerate(body.off):
            for name, value, known in (("kind", one.kind, KINDS), ("notifier", one.notifier, notifiers)):
                if value not in known:
                    wrong = f"off[{n}].{name}"
                    raise UserError(400, "invalid_field", f"{wrong} must be one of {', '.join(known)}", field=wrong)
            off.add((one.kind, one.notifier))
    profile, refused = await call.run(_store, call.user.id, body.locale, body.time_zone, off)
    return preferences_view(profile, refused, KINDS, call.services.plugins.notifiers())


async def _store(
    conn: Conn,
    user_id: str,
    locale: notifications.Locale | None,
    time_zone: str | None,
    off: set[tuple[str, str]] | None,
) -> tuple[Profile, set[tuple[str, str]]]:
    before = await notifications.profile(conn, user_id)
    profile = Profile(locale=locale or before.locale, time_zone=time_zone or before.time_zone)
    await notifications.set_profile(conn, user_id, profile)
    if off is not None:
        await notifications.set_refusals(conn, user_id, off)
    return await _preferences(conn, user_id)


async def test(call: Call, body: Empty) -> NotificationView:
    """Send myself a message by every notifier that I want for tests; look at the history for how it fared."""
    call.limit("notification test", TEST_NOTIFICATION_LIMIT, who=call.user.id)
    kept = await call.run(call.services.notices.test, call.user, new_id("test"))
    return _view((kept, await call.read(notifications.deliveries, kept.id)))
