"""Reports: one for each meeting of which something is kept, the newest run wins, gone with what it quotes."""

from __future__ import annotations

from pathlib import Path

from appliance.store import meetings, reports, transcripts, users
from appliance.store.database import Conn
from appliance.store.reports import StoredReport
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database
from tests.support.said import phrase


async def _spoken(conn: Conn) -> None:
    await users.insert(conn, rows.user("ann"))
    for name in ("one", "two"):
        await meetings.insert(conn, rows.meeting(name, "usr_ann"))
    await transcripts.insert(conn, segment=phrase(1, "Ann", "Good morning.", start_s=0))


async def test_one_is_asked_for_where_something_was_said(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(_spoken)
        assert await database.run(reports.ask, "mtg_two", 5) is None
        assert await database.run(reports.ask, "mtg_none", 5) is None
        assert await database.run(reports.ask, "mtg_one", 5) == 1
        assert await database.run(reports.ask, "mtg_one", 6) == 2
        assert await database.read(reports.find, "mtg_one") == StoredReport(
            meeting_id="mtg_one", run=2, asked_at_ms=6, made_run=None, made_at_ms=None, content=None
        )
        assert await database.read(reports.find, "mtg_two") is None


async def test_a_later_run_is_not_overwritten(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(_spoken)
        for at_ms in (5, 6, 7):
            await database.run(reports.ask, "mtg_one", at_ms)
        assert await database.run(reports.keep, "mtg_one", 2, "second", 10)
        assert not await database.run(reports.keep, "mtg_one", 1, "first", 11)
        assert not await database.run(reports.keep, "mtg_one", 4, "never asked for", 11)
        stored = await database.read(reports.find, "mtg_one")
        assert stored is not None
        assert (stored.run, stored.made_run, stored.made_at_ms, stored.content) == (3, 2, 10, "second")
        assert await database.run(reports.keep, "mtg_one", 3, "third", 12)


async def test_what_was_deleted_does_not_come_back(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(_spoken)
        await database.run(reports.ask, "mtg_one", 5)
        await database.run(reports.remove_meeting, "mtg_one")
        assert not await database.run(reports.keep, "mtg_one", 1, "late", 10)
        assert await database.read(reports.find, "mtg_one") is None
        assert await database.run(meetings.delete, "mtg_one", 9)
        assert await database.run(reports.ask, "mtg_one", 10) is None
