"""The job makes the report that was asked for last, with a language model or without, and keeps it once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from appliance.jobs.registry import Registry
from appliance.jobs.report_orders import MEETING_REPORT, report_key, report_order
from appliance.reports.making import add_report_jobs
from appliance.reports.records import Report, decode
from appliance.settings import SummarySettings
from appliance.store import jobs, meetings, participants, reports, transcripts, users
from appliance.store.database import Conn, Database
from tests.support import stored_rows as rows
from tests.support.chat_server import chatting, minutes
from tests.support.databases import open_test_database
from tests.support.queued_jobs import now_ms, working
from tests.support.said import REVIEW, T0
from tests.support.waiting import until

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where an empty database is: a folder for SQLite, a URL for PostgreSQL."""
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("postgres_url")


async def _spoken(conn: Conn) -> None:
    await users.insert(conn, rows.user("ann"))
    await meetings.insert(conn, rows.meeting("one", "usr_ann"))
    stay = {"name": "Ann", "joined_at_ms": T0, "left_at_ms": T0 + 60_000}
    await participants.insert(conn, rows.participant("a", "mtg_one", user_id="usr_ann", **stay))
    for segment in REVIEW:
        await transcripts.insert(conn, segment=segment)


async def order(conn: Conn) -> int:
    run = await reports.ask(conn, "mtg_one", now_ms())
    assert run is not None
    await jobs.enqueue(conn, report_order(meeting_id="mtg_one", run=run, now_ms=now_ms()))
    return run


@asynccontextmanager
async def house(target: str | Path) -> AsyncIterator[Database]:
    async with open_test_database(target) as database:
        await database.run(_spoken)
        yield database


def bound(database: Database, settings: SummarySettings) -> Callable[[Registry], None]:
    return lambda registry: add_report_jobs(registry, database, settings, now_ms=now_ms)


async def made(database: Database, run: int, settings: SummarySettings | None = None) -> tuple[str, Report]:
    """What the job of that run says, and the report that is kept then."""
    async with working(database, bound(database, settings or SummarySettings())):
        said = await until(lambda: _done(database, run), within_s=60)
    stored = await database.read(reports.find, "mtg_one")
    assert stored is not None and stored.content is not None
    return said, decode(stored.content)


async def _done(database: Database, run: int) -> str | None:
    job = await database.read(jobs.by_key, MEETING_REPORT.name, report_key("mtg_one", run))
    assert job is not None and job.state != "dead", job
    return job.result if job.state == "done" else None


async def test_it_is_made_of_what_was_said_and_who_was_there(target: str | Path) -> None:
    async with house(target) as database:
        run = await database.run(order)
        said, report = await made(database, run)
        assert said == '"extractive"'
        assert report.phrases == len(REVIEW) and report.decisions and report.actions
        assert report.attendees[0].name == "Ann" and report.fallback_reason == ""


async def test_a_language_model_writes_it_or_the_report_says_why_not(tmp_path: Path) -> None:
    async with house(tmp_path) as database:
        with chatting(lambda _instructions, text: minutes(text)) as server:
            said, report = await made(database, await database.run(order), server.settings())
            assert said == '"generated"' and report.summary[0].text == "It begins with line 1."
        said, report = await made(database, await database.run(order), server.settings())  # it is gone
        assert said == '"extractive"' and report.fallback_reason == "it cannot be reached"
        assert report.summary and not report.summary[0].text


async def test_an_older_run_and_one_without_words_change_nothing(tmp_path: Path) -> None:
    async with house(tmp_path) as database:
        first, second = await database.run(order), await database.run(order)
        async with working(database, bound(database, SummarySettings())):
            assert await until(lambda: _done(database, first), within_s=60) == '"not wanted any more"'
            assert await until(lambda: _done(database, second), within_s=60) == '"extractive"'
        third = await database.run(order)
        await database.run(transcripts.remove_meeting, "mtg_one")
        assert (await made(database, third))[0] == '"nothing was said"'
        await database.run(reports.remove_meeting, "mtg_one")
        assert await database.read(reports.find, "mtg_one") is None
