"""The server's own jobs are done when their time comes, on both engines."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import msgspec
import pytest
import trio

from appliance.chores import (
    FORGET_EVENTS,
    FORGET_JOBS,
    FORGET_NOTIFICATIONS,
    FORGET_SESSIONS,
    FORGET_TRANSCRIPTS,
    FORGET_VISION,
    StoreQueue,
    add_chores,
)
from appliance.jobs.ports import QueueUnavailableError
from appliance.jobs.registry import Registry
from appliance.settings import CaptionsSettings, DatabaseSettings, Settings
from appliance.store import job_runs, jobs, meetings, sessions, transcripts, users
from appliance.store.database import Conn, Database
from appliance.store.migrations import migrate
from appliance.store.sqlite import open_sqlite
from appliance.store.transcripts import Segment
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database
from tests.support.queued_jobs import Number, a_turn, done, now_ms, number_type, working

DAY_MS = 86_400_000


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where an empty database is, on either engine."""
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("postgres_url")


async def _all_due(conn: Conn) -> int:
    return await conn.execute("UPDATE job_schedules SET next_at_ms = 0")


async def _finished(database: Database, at_ms: int) -> str:
    """A job that was done then."""
    order = number_type().order(Number(1), now_ms=at_ms)
    await database.run(jobs.enqueue, order)
    await database.run(job_runs.turn, a_turn(at_ms))
    await database.run(job_runs.turn, a_turn(at_ms, ended=(done(order.id),), limit=0))
    return order.id


@pytest.mark.slow
async def test_expired_sessions_and_old_jobs_are_forgotten(target: str | Path) -> None:
    def fill(registry: Registry) -> None:
        add_chores(registry, database, Settings(), subscribers=(), now_ms=now_ms)

    async with open_test_database(target) as database:
        await database.run(users.insert, rows.user("ann"))
        await database.run(sessions.insert, rows.session("ses_old", "usr_ann", expires_at_ms=now_ms() - 1000))
        await database.run(sessions.insert, rows.session("ses_new", "usr_ann", expires_at_ms=now_ms() + 60_000))
        old = await _finished(database, now_ms() - 8 * DAY_MS)
        new = await _finished(database, now_ms() - 6 * DAY_MS)
        async with working(database, fill):
            pass  # writes the schedules down
        assert await database.run(_all_due) == 6
        async with working(database, fill) as shop:
            while shop.tally.outcomes.total() < 6:  # noqa: ASYNC110  # another task's transaction
                await trio.sleep(0.01)
        chores = (
            FORGET_SESSIONS, FORGET_JOBS, FORGET_EVENTS, FORGET_NOTIFICATIONS, FORGET_VISION, FORGET_TRANSCRIPTS,
        )  # fmt: skip
        assert shop.tally.outcomes == {(chore.name, "done"): 1 for chore in chores}
        assert await database.read(sessions.by_id, "ses_old") is None
        assert await database.read(sessions.by_id, "ses_new") is not None
        assert await database.read(jobs.by_id, old) is None
        assert await database.read(jobs.by_id, new) is not None
        results = {
            job.type: job.result for job in await database.read(jobs.page, state="done", type=None, after=None, limit=9)
        }
        assert results == {
            "test.number": None,
            "sessions.forget": "1",
            "jobs.forget": "1",
            "events.forget": "0",
            "notifications.forget": "0",
            "vision.forget": "0",
            "transcripts.forget": "0",
        }


async def test_transcripts_are_forgotten_where_the_settings_say_so(target: str | Path) -> None:
    settings = Settings(captions=CaptionsSettings(keep_days=30))

    def said(ident: str, meeting: str, days_ago: int) -> Segment:
        at_ms = now_ms() - days_ago * DAY_MS
        return Segment(
            id=f"cap_{ident}", meeting_id=f"mtg_{meeting}", participant_id="prt_a", name="Ann", start_ms=at_ms,
            end_ms=at_ms + 100, text="Good morning.", language="en",
        )  # fmt: skip

    async def fill_rows(conn: Conn) -> None:
        await users.insert(conn, rows.user("ann"))
        for meeting in ("old", "both", "new"):
            await meetings.insert(conn, rows.meeting(meeting, "usr_ann"))
        for segment in (said("a", "old", 40), said("b", "old", 31), said("c", "both", 31), said("d", "both", 29)):
            await transcripts.insert(conn, segment=segment)

    def fill(registry: Registry) -> None:
        add_chores(registry, database, settings, subscribers=(), now_ms=now_ms)

    async with open_test_database(target) as database:
        await database.run(fill_rows)
        async with working(database, fill):
            pass
        await database.run(_all_due)
        async with working(database, fill) as shop:
            while shop.tally.outcomes[(FORGET_TRANSCRIPTS.name, "done")] < 1:  # noqa: ASYNC110  # another task's
                await trio.sleep(0.01)
        assert not await database.read(transcripts.exists, "mtg_old")
        assert await database.read(transcripts.exists, "mtg_both")  # somebody spoke there since


async def test_only_sqlite_takes_back_what_runs_at_a_start(target: str | Path) -> None:
    """Another server may work on a PostgreSQL; nobody else on the file in our folder."""
    async with open_test_database(target) as database:
        order = number_type().order(Number(1), now_ms=now_ms())
        await database.run(jobs.enqueue, order)
        await database.run(job_runs.turn, a_turn(now_ms(), worker="other"))
        vanished = await StoreQueue(database, now_ms=now_ms).begin({})
        assert [job.id for job in vanished] == ([order.id] if database.dialect == "sqlite" else [])


async def test_a_database_that_is_away_is_said_to_be(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    async with open_sqlite(DatabaseSettings(busy_timeout_s=0.05), path) as database:
        await migrate(database)
        queue = StoreQueue(database, now_ms=now_ms)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(QueueUnavailableError, match="locked"):
            await queue.turn(a_turn(now_ms()))
        other.execute("ROLLBACK")
        other.close()
        turned = await queue.turn(msgspec.structs.replace(a_turn(now_ms()), limit=0))
        assert turned.claimed == ()
        assert await queue.count() == {"waiting": 0, "running": 0, "dead": 0}
