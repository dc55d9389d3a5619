"""Joins are kept; roles and kicks outlive them."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from appliance.store import meetings, participants, users
from appliance.store.database import Database
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


async def filled(database: Database) -> None:
    await database.run(users.insert, rows.user("ann"))
    for ident in ("one", "two"):
        await database.run(meetings.insert, rows.meeting(ident, "usr_ann"))


async def test_every_join_is_kept_in_order(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await filled(database)
        joins = [
            rows.participant("p3", "mtg_one", guest_id="gst_a", name="客人", joined_at_ms=2),
            rows.participant("p2", "mtg_one", user_id="usr_ann", role="host", joined_at_ms=2),
            rows.participant("p1", "mtg_one", user_id="usr_ann", joined_at_ms=1),
            rows.participant("p0", "mtg_two", user_id="usr_ann", joined_at_ms=0),
        ]
        for join in joins:
            await database.run(participants.insert, join)
        assert await database.read(participants.by_id, "mtg_one", "p3") == joins[0]
        assert await database.read(participants.by_id, "mtg_two", "p3") is None
        assert await database.run(participants.set_left, "p1", "left", 5)
        assert not await database.run(participants.set_left, "p1", "lost", 6)
        await database.run(participants.set_role, "p3", "cohost")

        async def listed(limit: int = 9, after: tuple[int, str] | None = None, active: bool | None = None) -> list[str]:
            found = await database.read(participants.page, "mtg_one", active=active, after=after, limit=limit)
            return [record.id for record in found]

        assert await listed() == ["p1", "p2", "p3"]
        assert await listed(limit=1, after=(2, "p2")) == ["p3"]
        assert await listed(active=True) == ["p2", "p3"]
        assert await listed(active=False) == ["p1"]
        third = await database.read(participants.by_id, "mtg_one", "p3")
        assert third is not None and third.role == "cohost"
        assert await database.read(participants.has_joined, "mtg_one", "usr_ann")
        assert not await database.read(participants.has_joined, "mtg_one", "usr_bob")
        assert await database.run(partial(participants.end_lost, unheld=False), "lost", 7, 9) == []
        (one,) = await database.run(partial(participants.end_lost, unheld=True), "lost", 7, 1)
        assert one.left_at_ms is None  # as it was
        assert len(await database.run(partial(participants.end_lost, unheld=True), "lost", 7, 9)) == 2
        assert await listed(active=True) == []


async def test_what_somebody_is_in_a_meeting(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await filled(database)
        assert await database.read(participants.member, "mtg_one", "gst_a") is None
        await database.run(participants.set_member_role, "mtg_one", "gst_a", "cohost")
        await database.run(participants.set_member_role, "mtg_one", "gst_a", "host")
        found = await database.read(participants.member, "mtg_one", "gst_a")
        assert found is not None and (found.role, found.kicked_at_ms) == ("host", None)
        await database.run(participants.set_kicked, "mtg_one", "gst_a", 9)
        found = await database.read(participants.member, "mtg_one", "gst_a")
        assert found is not None and (found.role, found.kicked_at_ms) == ("participant", 9)
        await database.run(participants.set_kicked, "mtg_one", "gst_b", 10)
        found = await database.read(participants.member, "mtg_one", "gst_b")
        assert found is not None and found.kicked_at_ms == 10
        assert await database.read(participants.member, "mtg_two", "gst_a") is None
