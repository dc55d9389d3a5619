"""Meetings: their life, their codes, whose lists they are on."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from appliance.store import invitations, meetings, participants, users
from appliance.store.database import Database, UniqueViolationError
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


async def status(database: Database, ident: str) -> str:
    found = await database.read(meetings.find, ident)
    assert found is not None
    return found.status


async def test_a_meeting_is_found_by_id_and_code(engine: str | Path) -> None:
    one = rows.meeting("one", None, guests_allowed=False, locked=True, passcode_hash="$h", start_at_ms=5, end_at_ms=6)
    async with open_test_database(engine) as database:
        await database.run(meetings.insert, one)
        assert await database.read(meetings.find, "mtg_one") == one
        assert await database.read(meetings.find, "abc-defg-one") == one
        assert await database.read(meetings.find, "mtg_two") is None
        assert await database.read(meetings.code_taken, "abc-defg-one")
        assert not await database.read(meetings.code_taken, "abc-defg-two")
        with pytest.raises(UniqueViolationError):
            await database.run(meetings.insert, rows.meeting("two", None, code="abc-defg-one"))


async def test_it_starts_once_and_ends_once(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(meetings.insert, rows.meeting("one", None))
        assert await database.run(meetings.activate, "mtg_one", 2000)
        assert not await database.run(meetings.activate, "mtg_one", 3000)
        assert await database.run(meetings.end, "mtg_one", 4000)
        assert not await database.run(meetings.end, "mtg_one", 5000)
        assert not await database.run(meetings.activate, "mtg_one", 6000)
        found = await database.read(meetings.find, "mtg_one")
        assert found is not None
        assert (found.status, found.started_at_ms, found.ended_at_ms) == ("ended", 2000, 4000)


@pytest.mark.parametrize(("before", "after"), [("scheduled", "cancelled"), ("active", "ended"), ("ended", "ended")])
async def test_deleting_takes_it_off_the_lists_and_keeps_the_code(
    engine: str | Path, before: str, after: str
) -> None:
    async with open_test_database(engine) as database:
        await database.run(meetings.insert, rows.meeting("one", None, status=before))
        assert await database.run(meetings.delete, "mtg_one", 9)
        assert not await database.run(meetings.delete, "mtg_one", 9)
        assert await database.read(meetings.find, "mtg_one") is None
        assert await database.read(meetings.code_taken, "abc-defg-one")
        assert await database.read(meetings.count_by_status) == {}
        stored = await database.read(_status_of_deleted, "mtg_one")
        assert stored == after


async def _status_of_deleted(conn: meetings.Conn, meeting_id: str) -> str:
    return str(await conn.fetchval("SELECT status FROM meetings WHERE id = $1", meeting_id))


async def test_a_host_changes_it(engine: str | Path) -> None:
    one = rows.meeting("one", None)
    changed = msgspec.structs.replace(
        one,
        title="T",
        description="D",
        start_at_ms=1,
        end_at_ms=2,
        max_participants=3,
        guests_allowed=False,
        passcode_hash="$h",
        locked=True,
        auto_record=True,
        recording_consent=True,
        recording_access="participants",
        recording_download="hosts",
    )
    async with open_test_database(engine) as database:
        await database.run(meetings.insert, one)
        await database.run(meetings.update, changed, 77)
        assert await database.read(meetings.find, "mtg_one") == msgspec.structs.replace(changed, updated_at_ms=77)
        await database.run(meetings.set_locked, "mtg_one", False, 78)
        found = await database.read(meetings.find, "mtg_one")
        assert found is not None and found.locked is False and found.updated_at_ms == 78


async def test_whose_lists_it_is_on(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        for name in ("ann", "bob"):
            await database.run(users.insert, rows.user(name))
        for n, creator in enumerate(["ann", "bob", "bob", "bob", "bob"]):
            await database.run(meetings.insert, rows.meeting(str(n), f"usr_{creator}", created_at_ms=1000 + n // 2))
        await database.run(
            invitations.insert,
            invitation_id="inv_a",
            meeting_id="mtg_1",
            user_id="usr_ann",
            email=None,
            invited_by="usr_bob",
            now_ms=1,
        )
        await database.run(participants.insert, rows.participant("p", "mtg_2", user_id="usr_ann"))
        await database.run(meetings.activate, "mtg_2", 5)

        async def listed(limit: int = 50, after: tuple[int, str] | None = None, **where: object) -> list[str]:
            filters = {"user_id": "usr_ann", "created_only": False, "status": None, **where}
            found = await database.read(meetings.page, after=after, limit=limit, **filters)  # type: ignore[arg-type]
            return [meeting.id for meeting in found]

        assert await listed() == ["mtg_2", "mtg_1", "mtg_0"]
        assert await listed(created_only=True) == ["mtg_0"]
        assert await listed(status="active") == ["mtg_2"]
        assert await listed(limit=1, after=(1001, "mtg_2")) == ["mtg_1"]
        assert await listed(user_id=None) == ["mtg_4", "mtg_3", "mtg_2", "mtg_1", "mtg_0"]
        assert await listed(user_id=None, limit=2, after=(1001, "mtg_3")) == ["mtg_2", "mtg_1"]
        assert await database.read(meetings.count_by_status) == {"scheduled": 4, "active": 1}
        await database.run(users.delete, "usr_ann")
        found = await database.read(meetings.find, "mtg_0")
        assert found is not None and found.creator_id is None
