"""What a runner outlives: a database that is away, types that it does not know, a server that died before it."""

from __future__ import annotations

from pathlib import Path

import pytest
import trio

from appliance.chores import StoreQueue
from appliance.job_records import Turn, Turned
from appliance.jobs.places import JobContext
from appliance.jobs.ports import QueueUnavailableError
from appliance.jobs.registry import Registry
from appliance.jobs.runner import Runner
from appliance.store import jobs
from tests.support.databases import open_test_database
from tests.support.queued_jobs import Number, Tally, a_turn, now_ms, number_type, working

pytestmark = pytest.mark.slow
TYPE = number_type()


async def _never(_context: JobContext, _payload: Number) -> None:
    raise AssertionError("not run here")


class _Unsteady(StoreQueue):
    """The real queue on a database that is away for some turns."""

    away = 0

    async def turn(self, asked: Turn) -> Turned:
        if self.away:
            self.away -= 1
            raise QueueUnavailableError("away")
        return await super().turn(asked)


async def test_a_database_that_is_away_is_waited_for(tmp_path: Path) -> None:
    runs: list[int] = []
    registry, tally = Registry(processes=1), Tally()
    async with open_test_database(tmp_path) as database, trio.open_nursery() as nursery:
        queue = _Unsteady(database, now_ms=now_ms)

        async def handler(_context: JobContext, payload: Number) -> None:
            runs.append(payload.n)
            queue.away = 2  # when its end is to be told

        registry.task(TYPE, handler)
        runner = Runner(
            queue, registry, worker="w1", places=4, lease_s=30.0, now_ms=now_ms, chance=lambda: 0.5, meter=tally
        )
        await nursery.start(runner.serve)
        order = TYPE.order(Number(1), now_ms=now_ms())
        await database.run(jobs.enqueue, order)
        while (await database.read(jobs.count))["waiting"] or (await database.read(jobs.count))["running"]:  # noqa: ASYNC110
            await trio.sleep(0.02)
        assert runs == [1]
        await runner.drain()


async def test_an_idle_runner_sleeps(tmp_path: Path) -> None:
    async with (
        open_test_database(tmp_path) as database,
        working(database, lambda registry: registry.task(TYPE, _never)) as shop,
    ):
        await trio.sleep(0.2)
        before = shop.runner.statistics()["turns"]
        await trio.sleep(1.5)
        assert shop.runner.statistics()["turns"] == before
        assert shop.runner.statistics()["queue_waiting"] == 0


async def test_a_type_that_nobody_knows_waits_for_who_does(tmp_path: Path) -> None:
    async def handler(_context: JobContext, _payload: Number) -> None:
        return None

    other = number_type("test.other")
    async with open_test_database(tmp_path) as database:
        async with working(database, lambda registry: registry.task(TYPE, handler)) as shop:
            job_id = await shop.order(other, Number(1))
            await shop.wait_state(await shop.order(TYPE, Number(1)), "done")
            assert (await shop.job(job_id)).state == "waiting"
        async with working(database, lambda registry: registry.task(other, handler)) as shop:
            await shop.wait_state(job_id, "done")


async def test_what_a_dead_server_left_is_taken_up_at_the_start(tmp_path: Path) -> None:
    attempts: list[int] = []

    async def handler(context: JobContext, _payload: Number) -> None:
        attempts.append(context.attempt)

    async with open_test_database(tmp_path) as database:
        order = TYPE.order(Number(1), now_ms=now_ms())
        await database.run(jobs.enqueue, order)
        dead = StoreQueue(database, now_ms=now_ms)
        assert len((await dead.turn(a_turn(now_ms(), worker="dead"))).claimed) == 1
        async with working(database, lambda registry: registry.task(TYPE, handler)) as shop:
            await shop.wait_state(order.id, "done")
        assert attempts == [2]


class _Slow(StoreQueue):
    """The real queue on a database that takes its time."""

    async def turn(self, asked: Turn) -> Turned:
        turned = await super().turn(asked)
        await trio.sleep(0.1)
        return turned


async def test_what_a_turn_claims_while_the_server_stops_is_given_back(tmp_path: Path) -> None:
    async def handler(_context: JobContext, _payload: Number) -> None:
        await trio.sleep_forever()

    registry, tally = Registry(processes=1), Tally()
    registry.task(TYPE, handler)
    async with open_test_database(tmp_path) as database, trio.open_nursery() as nursery:
        runner = Runner(
            _Slow(database, now_ms=now_ms),
            registry,
            worker="w1",
            places=4,
            lease_s=30.0,
            now_ms=now_ms,
            chance=lambda: 0.5,
            meter=tally,
        )
        await nursery.start(runner.serve)
        order = TYPE.order(Number(1), now_ms=now_ms())
        await database.run(jobs.enqueue, order)
        while (await database.read(jobs.count))["running"] == 0:  # noqa: ASYNC110  # another task's transaction
            await trio.sleep(0.005)
        with trio.fail_after(5):
            await runner.release()
        job = await database.read(jobs.by_id, order.id)
        assert job is not None and (job.state, job.attempts) == ("waiting", 0)
