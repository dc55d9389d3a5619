"""A meeting that has ended gets its report, if anything was said, and another one each time that it ends."""

from __future__ import annotations

from pathlib import Path

from appliance.events.catalogue import MeetingEnded, MeetingStarted
from appliance.events.envelope import envelop
from appliance.jobs.report_orders import AFTER_END_S, MEETING_REPORT, report_key
from appliance.reactions.reports import report_reaction
from appliance.store import jobs, meetings, reports, transcripts, users
from appliance.store.database import Conn
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database
from tests.support.said import phrase

NOW_MS = 1_893_400_000_000


async def _react(conn: Conn, event: object) -> None:
    reaction = report_reaction(lambda: NOW_MS)
    assert reaction.types == {"meeting.ended"}
    await reaction.react(conn, envelop(event, event_id="evt_1", at_ms=1))  # type: ignore[arg-type]


async def _spoken(conn: Conn) -> None:
    await users.insert(conn, rows.user("ann"))
    for name in ("one", "two"):
        await meetings.insert(conn, rows.meeting(name, "usr_ann"))
    await transcripts.insert(conn, segment=phrase(1, "Ann", "Good morning.", start_s=0))


async def test_each_end_orders_one(tmp_path: Path) -> None:
    async with open_test_database(tmp_path) as database:
        await database.run(_spoken)
        await database.run(_react, MeetingStarted(meeting_id="mtg_one", title="t"))
        assert await database.read(reports.find, "mtg_one") is None
        for reason in ("empty", "ended"):
            await database.run(_react, MeetingEnded(meeting_id="mtg_one", title="t", reason=reason))  # type: ignore[arg-type]
        for run in (1, 2):
            job = await database.read(jobs.by_key, MEETING_REPORT.name, report_key("mtg_one", run))
            assert job is not None and job.run_at_ms == NOW_MS + AFTER_END_S * 1000


async def test_nothing_said_is_nothing_to_report(tmp_path: Path) -> None:
    async with open_test_database(tmp_path) as database:
        await database.run(_spoken)
        await database.run(_react, MeetingEnded(meeting_id="mtg_two", title="t", reason="ended"))
        assert await database.read(jobs.by_key, MEETING_REPORT.name, report_key("mtg_two", 1)) is None
