"""Turns of workers by hand, on both engines: who gets what, whose lease counts, what recurs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.job_records import Claimed, Due, Ended, Priority, Progress, Room
from appliance.jobs.types import HANDICAP_S, JobType
from appliance.store import job_runs, jobs
from appliance.store.database import Conn, Database
from appliance.store.jobs import Job
from tests.support.databases import open_test_database
from tests.support.queued_jobs import LEASE_MS, Number, a_turn, done, number_type

TYPE = number_type()


async def _order(database: Database, now_ms: int = 1000, type: JobType[Number] = TYPE, **fields: Any) -> str:
    return await database.run(jobs.enqueue, type.order(Number(1), now_ms=now_ms, **fields))


async def _job(database: Database, job_id: str) -> Job:
    job = await database.read(jobs.by_id, job_id)
    assert job is not None
    return job


def _ids(claimed: Sequence[Claimed]) -> list[str]:
    return [job.id for job in claimed]


async def test_a_claimed_job_is_nobody_elses(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        job_id = await _order(database, key="k", meeting_id="mtg_1")
        early = await database.run(job_runs.turn, a_turn(999))
        assert (early.claimed, early.next_at_ms) == ((), 1000)
        (claimed,) = (await database.run(job_runs.turn, a_turn(1000))).claimed
        assert (claimed.id, claimed.payload, claimed.attempt, claimed.max_attempts) == (job_id, '{"n":1}', 1, 4)
        assert (claimed.idempotency_key, claimed.meeting_id, claimed.run_at_ms) == ("k", "mtg_1", 1000)
        other = await database.run(job_runs.turn, a_turn(1001, worker="w2"))
        assert (other.claimed, other.next_at_ms) == ((), 1000 + LEASE_MS)
        mine = await database.run(job_runs.turn, a_turn(1001))
        assert mine.next_at_ms is None  # my own lease is mine to renew
        ended = await database.run(job_runs.turn, a_turn(1500, ended=(done(job_id, result='{"x":1}'),)))
        assert ended.refused == frozenset()
        job = await _job(database, job_id)
        assert (job.state, job.result, job.finished_at_ms, job.worker) == ("done", '{"x":1}', 1500, None)


async def test_a_job_for_one_node_is_left_to_it(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        mine = await _order(database, node="node_a")
        later = await _order(database, now_ms=5000, node="node_a")
        for node in (None, "node_b"):
            turned = await database.run(job_runs.turn, a_turn(1000, node=node))
            assert (turned.claimed, turned.next_at_ms) == ((), None)
        turned = await database.run(job_runs.turn, a_turn(1000, node="node_a"))
        assert (_ids(turned.claimed), turned.next_at_ms) == ([mine], 5000)
        assert (await _job(database, later)).state == "waiting"
        anybodys = await _order(database)
        assert _ids((await database.run(job_runs.turn, a_turn(1000, node="node_a"))).claimed) == [anybodys]


async def test_many_workers_share_and_none_gets_the_same(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        wanted = {await _order(database) for _ in range(40)}
        got: list[str] = []

        async def work(worker: str) -> None:
            while True:
                turned = await database.run(job_runs.turn, a_turn(2000, worker=worker, limit=3))
                if not turned.claimed:
                    return
                got.extend(_ids(turned.claimed))
                ended = tuple(done(job.id) for job in turned.claimed)
                await database.run(job_runs.turn, a_turn(2000, worker=worker, ended=ended, limit=0))

        async with trio.open_nursery() as nursery:
            for number in range(4):
                nursery.start_soon(work, f"w{number}")
        assert len(got) == 40
        assert set(got) == wanted
        assert await database.read(jobs.count) == {"waiting": 0, "running": 0, "dead": 0}


async def test_a_lease_that_ran_out_gives_the_job_to_another(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        job_id = await _order(database)
        await database.run(job_runs.turn, a_turn(1000, worker="gone"))
        late = 1000 + LEASE_MS
        before = await database.run(job_runs.turn, a_turn(late - 1))
        assert (before.claimed, before.vanished) == ((), ())
        turned = await database.run(job_runs.turn, a_turn(late))
        assert [(lost.id, lost.state) for lost in turned.vanished] == [(job_id, "waiting")]
        assert [(job.id, job.attempt) for job in turned.claimed] == [(job_id, 2)]
        told = await database.run(job_runs.turn, a_turn(late, worker="gone", ended=(done(job_id),), renew=True))
        assert told.refused == {job_id}  # too late: it is the other one's
        assert told.held == frozenset()
        assert (await _job(database, job_id)).state == "running"


async def test_a_renewed_lease_holds(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        job_id = await _order(database)
        await database.run(job_runs.turn, a_turn(1000))
        renewed = await database.run(job_runs.turn, a_turn(20_000, renew=True))
        assert renewed.held == {job_id}
        other = await database.run(job_runs.turn, a_turn(1000 + LEASE_MS, worker="w2"))
        assert (other.claimed, other.vanished) == ((), ())


async def test_a_job_that_kills_its_worker_ends_as_a_dead_letter(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        job_id = await _order(database)
        now_ms = 1000
        for attempt in range(1, 5):
            turned = await database.run(job_runs.turn, a_turn(now_ms, worker=f"w{attempt}"))
            assert [job.attempt for job in turned.claimed] == [attempt]
            now_ms += LEASE_MS
        turned = await database.run(job_runs.turn, a_turn(now_ms, worker="w5"))
        assert turned.claimed == ()
        assert [(lost.id, lost.state) for lost in turned.vanished] == [(job_id, "dead")]
        job = await _job(database, job_id)
        assert (job.state, job.error, job.finished_at_ms) == ("dead", "the worker vanished: w4", now_ms)


async def test_a_start_of_the_only_worker_takes_everything_back(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        job_id = await _order(database)
        await database.run(job_runs.turn, a_turn(1000, worker="gone"))
        (lost,) = await database.run(job_runs.take_back_all, 1001)
        assert (lost.id, lost.state) == (job_id, "waiting")
        assert _ids((await database.run(job_runs.turn, a_turn(1001))).claimed) == [job_id]


async def test_how_an_attempt_ended_is_written_down(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        ids = [await _order(database) for _ in range(3)]
        await database.run(job_runs.turn, a_turn(1000))
        await database.run(jobs.cancel, ids[2], 1001)
        ended = (
            done(ids[0], verdict="failed", error="boom", run_at_ms=9000),
            done(ids[1], verdict="released"),
            done(ids[2], verdict="failed", error="boom", run_at_ms=9000),
        )
        turned = await database.run(job_runs.turn, a_turn(2000, ended=ended, limit=0))
        assert turned.next_at_ms == 9000
        failed, released, cancelled = [await _job(database, job_id) for job_id in ids]
        assert (failed.state, failed.attempts, failed.run_at_ms, failed.error) == ("waiting", 1, 9000, "boom")
        assert (released.state, released.attempts, released.run_at_ms) == ("waiting", 0, 1000)
        assert (cancelled.state, cancelled.finished_at_ms, cancelled.cancel_requested) == ("cancelled", 2000, False)
        assert failed.finished_at_ms is released.finished_at_ms is None


async def test_progress_is_written_down_and_begins_anew(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        job_id = await _order(database)
        await database.run(job_runs.turn, a_turn(1000))
        said = Progress(job_id=job_id, attempt=1, share=0.25, note="一半的一半")
        stale = Progress(job_id=job_id, attempt=2, share=0.9, note="no")
        await database.run(job_runs.turn, a_turn(1100, progress=(said, stale)))
        job = await _job(database, job_id)
        assert (job.progress_share, job.progress_note) == (0.25, "一半的一半")
        await database.run(job_runs.turn, a_turn(1200, ended=(done(job_id, verdict="released"),)))
        assert (await _job(database, job_id)).progress_share is None  # claimed again in the same turn


async def test_rooms_are_kept(engine: str | Path) -> None:
    small, large = number_type("test.small"), number_type("test.large")
    async with open_test_database(engine) as database:
        for _ in range(5):
            await _order(database, type=small)
            await _order(database, type=large)
        await _order(database, type=number_type("test.unknown"))
        rooms = (Room(types=("test.small",), free=2), Room(types=("test.large",), free=9))
        known = ("test.small", "test.large")
        turned = await database.run(job_runs.turn, a_turn(1000, types=known, rooms=rooms, limit=6))
        kinds = [job.type for job in turned.claimed]
        assert (len(kinds), kinds.count("test.small")) == (6, 2)
        rest = await database.run(job_runs.turn, a_turn(1000, types=known, rooms=rooms[1:], limit=6))
        assert [job.type for job in rest.claimed] == ["test.large"]


@pytest.mark.parametrize("priority", ["high", "normal", "low"])
async def test_nobody_starves(engine: str | Path, priority: Priority) -> None:
    """Fresh critical jobs fall due each second and one is done a second: the old one's turn comes with its handicap."""
    handicap_s = HANDICAP_S[priority]
    async with open_test_database(engine) as database:
        old = await _order(database, now_ms=0, priority=priority)
        passed_by = 0
        ended: tuple[Ended, ...] = ()
        # Those that fall due before the bound pass it; only the last of them and one after it need to be played.
        for second in (*range(0, handicap_s, max(1, handicap_s // 5)), handicap_s - 1, handicap_s + 1):
            fresh = await _order(database, now_ms=second * 1000, priority="critical")
            (first,) = (await database.run(job_runs.turn, a_turn(second * 1000, limit=1, ended=ended))).claimed
            if first.id == old:
                assert second > handicap_s - 1
                break
            assert first.id == fresh
            passed_by, ended = passed_by + 1, (done(fresh),)
        else:
            raise AssertionError("starved")
        assert passed_by >= 5


async def test_the_urgent_go_first_among_those_that_came_together(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        by_priority: dict[str, str] = {}
        for priority in ("low", "critical", "normal", "high"):
            by_priority[priority] = await _order(database, priority=priority)
        claimed = _ids((await database.run(job_runs.turn, a_turn(1000))).claimed)
        assert claimed == [by_priority[name] for name in ("critical", "high", "normal", "low")]


async def test_a_schedule_yields_one_job_a_time_however_many_look(engine: str | Path) -> None:
    async def tick(conn: Conn, due: Due) -> bool:
        if not await job_runs.tick(conn, due, 20_000):
            return False
        await jobs.enqueue(conn, TYPE.order(Number(1), now_ms=10_000))
        return True

    async with open_test_database(engine) as database:
        await database.run(job_runs.plan, "daily", rule="every 10 s", next_at_ms=10_000)
        await database.run(job_runs.plan, "daily", rule="every 10 s", next_at_ms=77_000)  # a restart moves nothing
        early = await database.run(job_runs.turn, a_turn(9000, schedules=("daily", "unknown")))
        assert (early.due, early.next_at_ms) == ((), 10_000)
        turned = await database.run(job_runs.turn, a_turn(10_000, schedules=("daily",)))
        assert turned.due == (Due(name="daily", at_ms=10_000),)
        wrote: list[bool] = []

        async def node() -> None:
            wrote.append(await database.run(tick, turned.due[0]))

        async with trio.open_nursery() as nursery:
            for _ in range(5):
                nursery.start_soon(node)
        assert sorted(wrote) == [False] * 4 + [True]
        assert (await database.read(jobs.count))["waiting"] == 1
        await database.run(job_runs.plan, "daily", rule="every 5 s", next_at_ms=15_000)  # another rule does
        later = await database.run(job_runs.turn, a_turn(14_000, schedules=("daily",), limit=0))
        assert later.next_at_ms == 15_000
