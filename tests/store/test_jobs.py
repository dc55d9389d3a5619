"""Orders written with a change, looked at and mended by people, on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from appliance.job_records import Order
from appliance.store import job_runs, jobs
from appliance.store.database import Conn, Database
from tests.support.databases import open_test_database
from tests.support.queued_jobs import Number, a_turn, done, number_type

TYPE = number_type()


def _order(n: int = 1, *, now_ms: int = 1000, key: str | None = None, meeting_id: str | None = None) -> Order:
    return TYPE.order(Number(n), now_ms=now_ms, key=key, meeting_id=meeting_id)


async def _enqueue_and_fail(conn: Conn, order: Order) -> None:
    await jobs.enqueue(conn, order)
    raise LookupError("changed my mind")


async def test_an_order_is_there_if_and_only_if_the_change_is(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        kept, undone = _order(7, meeting_id="mtg_1"), _order()
        assert await database.run(jobs.enqueue, kept) == kept.id
        with pytest.raises(LookupError):
            await database.run(_enqueue_and_fail, undone)
        job = await database.read(jobs.by_id, kept.id)
        assert job is not None
        assert (job.type, job.payload, job.state, job.priority) == ("test.number", '{"n":7}', "waiting", "normal")
        assert (job.attempts, job.max_attempts, job.meeting_id, job.run_at_ms) == (0, 4, "mtg_1", 1000)
        assert job.cancel_requested is False and job.node is None
        assert await database.read(jobs.by_id, undone.id) is None


async def test_jobs_of_a_meeting_by_their_types(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        orders = [_order(n, now_ms=1000 + n, meeting_id="mtg_1") for n in range(3)]
        other = number_type("test.other").order(Number(9), now_ms=2000, meeting_id="mtg_1")
        for order in (*orders, other, _order(8, now_ms=3000, meeting_id="mtg_2")):
            await database.run(jobs.enqueue, order)
        both = {"test.number", "test.other"}
        page = await database.read(jobs.of_meeting, "mtg_1", both, after=None, limit=2)
        assert [job.id for job in page] == [other.id, orders[2].id]
        after = (page[-1].created_at_ms, page[-1].id)
        rest = await database.read(jobs.of_meeting, "mtg_1", both, after=after, limit=9)
        assert [job.id for job in rest] == [orders[1].id, orders[0].id]
        only = await database.read(jobs.of_meeting, "mtg_1", {"test.other"}, after=None, limit=9)
        assert [job.id for job in only] == [other.id]


async def test_the_same_key_is_the_same_job(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        first, second = _order(1, key="k"), _order(2, key="k")
        other = number_type("test.other").order(Number(3), now_ms=0, key="k")
        assert await database.run(jobs.enqueue, first) == first.id
        assert await database.run(jobs.enqueue, second) == first.id
        assert await database.run(jobs.enqueue, other) == other.id  # the key of another type
        ids: set[str] = set()

        async def race(n: int) -> None:
            ids.add(await database.run(jobs.enqueue, _order(n, key="race")))

        async with trio.open_nursery() as nursery:
            for n in range(20):
                nursery.start_soon(race, n)
        assert len(ids) == 1
        await _finish(database, first.id)
        assert await database.run(jobs.enqueue, _order(4, key="k")) == first.id  # done, and still the first
        found = await database.read(jobs.by_key, TYPE.name, "k")
        assert found is not None and found.id == first.id
        assert await database.read(jobs.by_key, "test.nothing", "k") is None


async def _finish(database: Database, job_id: str, verdict: str = "done", now_ms: int = 2000) -> None:
    await database.run(job_runs.turn, a_turn(now_ms))
    job = await database.read(jobs.by_id, job_id)
    assert job is not None and job.state == "running"
    ended = done(job_id, job.attempts, verdict=verdict, error="Traceback …" if verdict == "dead" else None)
    await database.run(job_runs.turn, a_turn(now_ms, ended=(ended,), limit=0))


async def test_a_dead_letter_is_requeued_or_dropped(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        order = _order(key="k")
        await database.run(jobs.enqueue, order)
        assert not await database.run(jobs.requeue, order.id, 1500)  # waits anyway
        assert not await database.run(jobs.drop, order.id)
        await _finish(database, order.id, "dead")
        async with database.listen("jobs") as listener:
            assert await database.run(jobs.requeue, order.id, 3000)
            await listener.wait()
        job = await database.read(jobs.by_id, order.id)
        assert job is not None
        assert (job.state, job.attempts, job.run_at_ms, job.finished_at_ms) == ("waiting", 0, 3000, None)
        assert job.error == "Traceback …"
        await _finish(database, order.id, "dead", 4000)
        assert await database.run(jobs.drop, order.id)
        assert not await database.run(jobs.drop, order.id)
        again = _order(key="k")
        assert await database.run(jobs.enqueue, again) == again.id  # the key is free


async def test_a_waiting_job_is_cancelled_at_once_a_running_one_is_asked_for(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        waiting, running = _order(), _order()
        await database.run(jobs.enqueue, running)
        await database.run(job_runs.turn, a_turn(2000))
        await database.run(jobs.enqueue, waiting)
        for order in (waiting, running):
            assert await database.run(jobs.cancel, order.id, 2500)
        one, other = await database.read(jobs.by_id, waiting.id), await database.read(jobs.by_id, running.id)
        assert one is not None and other is not None
        assert (one.state, one.finished_at_ms) == ("cancelled", 2500)
        assert (other.state, other.cancel_requested) == ("running", True)
        assert not await database.run(jobs.cancel, waiting.id, 2600)
        turned = await database.run(job_runs.turn, a_turn(2700))
        assert turned.to_cancel == {running.id}
        assert turned.claimed == ()


async def test_jobs_are_paged_newest_first(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        orders = [_order(n, now_ms=1000 + n // 2) for n in range(5)]
        for order in orders:
            await database.run(jobs.enqueue, order)
        await database.run(jobs.cancel, orders[0].id, 2000)
        seen: list[str] = []
        after: tuple[int, str] | None = None
        while page := await database.read(jobs.page, state=None, type="test.number", after=after, limit=2):
            seen += [job.id for job in page]
            after = (page[-1].created_at_ms, page[-1].id)
        newest_first = sorted(orders, key=lambda order: (order.created_at_ms, order.id), reverse=True)
        assert seen == [order.id for order in newest_first]
        gone = await database.read(jobs.page, state="cancelled", type=None, after=None, limit=9)
        assert [job.id for job in gone] == [orders[0].id]
        assert await database.read(jobs.page, state=None, type="nobody", after=None, limit=9) == []


async def test_what_is_done_is_forgotten_and_dead_letters_stay(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        orders = {verdict: _order() for verdict in ("done", "dead", "cancelled")}
        for verdict, order in orders.items():
            await database.run(jobs.enqueue, order)
            await _finish(database, order.id, verdict)
        waiting = _order()
        await database.run(jobs.enqueue, waiting)
        assert await database.read(jobs.count) == {"waiting": 1, "running": 0, "dead": 1}
        assert await database.run(jobs.delete_finished, 2000) == 0  # finished at 2000, not before
        assert await database.run(jobs.delete_finished, 2001, 1) == 1
        assert await database.run(jobs.delete_finished, 2001) == 1
        left = await database.read(jobs.page, state=None, type=None, after=None, limit=9)
        assert {job.id for job in left} == {orders["dead"].id, waiting.id}


async def test_what_waits_for_somebody_is_hastened(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        ids = {}
        for key, run_at_ms in (("a:mail", 9000), ("b:mail", 500), ("c:e-mail", 9000), ("d:webhook", 9000)):
            order = TYPE.order(Number(1), now_ms=100, run_at_ms=run_at_ms, key=key)
            ids[key] = await database.run(jobs.enqueue, order)
        other = number_type("test.other").order(Number(1), now_ms=100, run_at_ms=9000, key="a:mail")
        await database.run(jobs.enqueue, other)
        assert await database.run(jobs.hasten, TYPE.name, ":mail", 2000) == 1
        assert await database.run(jobs.hasten, TYPE.name, ":mail", 2000) == 0
        due = {key: await database.read(jobs.by_id, job_id) for key, job_id in ids.items()}
        assert {key: job.run_at_ms for key, job in due.items() if job is not None} == {
            "a:mail": 2000, "b:mail": 500, "c:e-mail": 9000, "d:webhook": 9000,
        }  # fmt: skip
        turned = await database.run(job_runs.turn, a_turn(2000))
        assert {job.id for job in turned.claimed} == {ids["a:mail"], ids["b:mail"]}
