"""Messages are kept once for each cause, person and kind, with how they fared; wishes are remembered."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from appliance.store import notifications, users
from appliance.store.database import Conn
from appliance.store.notifications import Delivery, Kept, Profile
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


def kept(ident: str, at_ms: int = 1000, **changes: Any) -> Kept:
    values: dict[str, Any] = {
        "id": ident,
        "kind": "meeting.invited",
        "cause": f"evt_{ident}",
        "recipient": "usr_ann",
        "user_id": "usr_ann",
        "meeting_id": None,
        "url": None,
        "message": "{}",
        "created_at_ms": at_ms,
    }
    return Kept(**{**values, **changes})


async def _ann(conn: Conn) -> None:
    await users.insert(conn, rows.user("ann"))


async def test_a_cause_tells_a_person_once(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(_ann)
        assert await database.run(notifications.insert, kept("n1"))
        assert not await database.run(notifications.insert, kept("n2", cause="evt_n1"))
        assert await database.run(notifications.insert, kept("n3", cause="evt_n1", kind="meeting.reminder"))
        guest = kept("n4", cause="evt_n1", recipient="g@example.org", user_id=None)
        assert await database.run(notifications.insert, guest)
        assert await database.read(notifications.by_id, "n4") == guest
        assert await database.read(notifications.by_id, "n2") is None


async def test_the_history_is_paged_newest_first(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(_ann)
        for ident, at_ms in (("n1", 1000), ("n2", 2000), ("n3", 2000)):
            await database.run(notifications.insert, kept(ident, at_ms))
        first = await database.read(notifications.page, "usr_ann", after=None, limit=2)
        assert [one.id for one in first] == ["n3", "n2"]
        rest = await database.read(notifications.page, "usr_ann", after=(2000, "n2"), limit=2)
        assert [one.id for one in rest] == ["n1"]
        assert await database.read(notifications.page, "usr_bob", after=None, limit=2) == []
        assert await database.run(notifications.forget, 2000) == 1
        assert await database.run(notifications.forget, 9000, 1) == 1
        assert await database.run(notifications.forget, 9000) == 1


async def test_what_was_sent_is_counted(engine: str | Path) -> None:
    """Neither what nobody was sent nor what is told of one's own account."""
    async with open_test_database(engine) as database:
        await database.run(_ann)
        for ident, at_ms, kind, states in (
            ("n1", 1000, "meeting.invited", ["sent"]),
            ("n2", 2000, "meeting.invited", ["skipped", "waiting"]),
            ("n3", 2000, "meeting.invited", ["failed"]),
            ("n4", 2000, "meeting.invited", ["skipped"]),
            ("n5", 2000, "user.signed_in", ["sent"]),
            ("n6", 2000, "meeting.invited", []),
        ):
            await database.run(notifications.insert, kept(ident, at_ms, kind=kind))
            for notifier, state in zip(("email", "webhook"), states, strict=False):
                delivery = Delivery(
                    notification_id=ident, notifier=notifier, state=state, attempts=0, reason=None, changed_at_ms=at_ms
                )
                await database.run(notifications.set_delivery, delivery)
        assert await database.read(notifications.count_since, "usr_ann", 2000) == 2
        assert await database.read(notifications.count_since, "usr_bob", 2000) == 0


async def test_a_delivery_is_what_was_last_noted(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(_ann)
        await database.run(notifications.insert, kept("n1"))
        waiting = Delivery(
            notification_id="n1", notifier="email", state="waiting", attempts=0, reason=None, changed_at_ms=1
        )
        failed = Delivery(
            notification_id="n1", notifier="email", state="failed", attempts=2, reason="no such user", changed_at_ms=2
        )
        for delivery in (waiting, failed):
            await database.run(notifications.set_delivery, delivery)
        assert await database.read(notifications.deliveries, "n1") == [failed]


async def test_wishes_are_remembered_and_replaced(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(_ann)
        assert await database.read(notifications.profile, "usr_ann") == Profile()
        await database.run(notifications.set_profile, "usr_ann", Profile(locale="zh-CN", time_zone="Asia/Shanghai"))
        await database.run(notifications.set_profile, "usr_ann", Profile(locale="zh-CN", time_zone="UTC"))
        assert await database.read(notifications.profile, "usr_ann") == Profile(locale="zh-CN", time_zone="UTC")
        await database.run(notifications.set_refusals, "usr_ann", {("user.logged_in", "email"), ("x", "webhook")})
        await database.run(notifications.set_refusals, "usr_ann", {("user.logged_in", "email")})
        assert await database.read(notifications.refusals, "usr_ann") == {("user.logged_in", "email")}
        await database.run(users.delete, "usr_ann")
        assert await database.read(notifications.refusals, "usr_ann") == set()
