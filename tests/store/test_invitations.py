"""One invitation of each account or address."""

from __future__ import annotations

from pathlib import Path

from appliance.store import invitations, meetings, users
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


async def test_nobody_is_invited_twice(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        for name in ("ann", "bob"):
            await database.run(users.insert, rows.user(name))
        await database.run(meetings.insert, rows.meeting("one", "usr_ann"))

        async def invite(ident: str, user_id: str | None, email: str | None) -> bool:
            return await database.run(
                invitations.insert,
                invitation_id=ident,
                meeting_id="mtg_one",
                user_id=user_id,
                email=email,
                invited_by="usr_ann",
                now_ms=1,
            )

        assert await invite("i1", "usr_bob", None)
        assert not await invite("i2", "usr_bob", None)
        assert await invite("i3", None, "Eve@example.org")
        assert not await invite("i4", None, "eve@EXAMPLE.org")
        assert await invite("i5", None, "other@example.org")
        assert await database.read(invitations.is_invited, "mtg_one", "usr_bob")
        assert not await database.read(invitations.is_invited, "mtg_one", "usr_ann")


async def test_pages_are_whole_and_in_the_order_of_inviting(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(users.insert, rows.user("ann"))
        await database.run(meetings.insert, rows.meeting("one", "usr_ann"))
        for number in range(7):
            await database.run(
                invitations.insert,
                invitation_id=f"i{number}",
                meeting_id="mtg_one",
                user_id=None,
                email=f"{number}@example.org",
                invited_by="usr_ann",
                now_ms=10 + number // 3,
            )
        assert await database.read(invitations.count, "mtg_one") == 7
        found: list[str | None] = []
        after: tuple[int, str] | None = None
        while page := await database.read(invitations.page, "mtg_one", after=after, limit=2):
            assert len(page) <= 2
            found += [one.email for one in page]
            after = (page[-1].created_at_ms, page[-1].id)
        assert found == [f"{number}@example.org" for number in range(7)]
        assert await database.read(invitations.page, "mtg_none", after=None, limit=2) == []
