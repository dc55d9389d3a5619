"""The runner on both engines: done once, retried, buried, cancelled, drained, recurring, asleep."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from appliance.jobs.places import JobContext, TryAgainError
from appliance.jobs.registry import Registry
from appliance.jobs.runner import LOOK_EACH_S
from appliance.jobs.schedule import Every
from appliance.store import jobs
from tests.support.databases import open_test_database
from tests.support.queued_jobs import Number, now_ms, number_type, working

pytestmark = pytest.mark.slow
TYPE = number_type()


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where an empty database is, on either engine."""
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("postgres_url")


def _kill_myself(_payload: Number) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _square(payload: Number) -> int:
    return payload.n**2


async def test_a_job_is_done_and_its_result_kept(target: str | Path) -> None:
    seen: list[tuple[int, str, int]] = []

    async def handler(context: JobContext, payload: Number) -> dict[str, int]:
        seen.append((payload.n, context.key, context.attempt))
        return {"square": payload.n**2}

    async with (
        open_test_database(target) as database,
        working(database, lambda registry: registry.task(TYPE, handler)) as shop,
    ):
        keyed = await shop.order(TYPE, Number(3), key="three")
        plain = await shop.order(TYPE, Number(4))
        assert (await shop.wait_state(keyed, "done")).result == '{"square":9}'
        await shop.wait_state(plain, "done")
        assert sorted(seen) == [(3, "three", 1), (4, plain, 1)]
        assert await shop.order(TYPE, Number(3), key="three") == keyed
        assert shop.tally.outcomes == {("test.number", "done"): 2}


async def test_a_failure_is_tried_again_and_at_last_buried_with_its_traceback(target: str | Path) -> None:
    attempts: list[int] = []

    async def handler(context: JobContext, payload: Number) -> None:
        attempts.append(context.attempt)
        if payload.n == 0 or context.attempt < payload.n:
            raise LookupError("no such \0 thing \ud83d")

    async with (
        open_test_database(target) as database,
        working(database, lambda registry: registry.task(TYPE, handler)) as shop,
    ):
        third_time_lucky = await shop.order(TYPE, Number(3))
        job = await shop.wait_state(third_time_lucky, "done", "dead")
        assert (job.state, job.attempts, attempts) == ("done", 3, [1, 2, 3])
        hopeless = await shop.order(TYPE, Number(0))
        job = await shop.wait_state(hopeless, "done", "dead")
        assert (job.state, job.attempts) == ("dead", 4)
        assert job.error is not None and job.error.startswith("Traceback")
        assert "in handler" in job.error and "LookupError: no such \ufffd thing" in job.error
        assert shop.tally.outcomes["test.number", "dead"] == 1
        await database.run(jobs.requeue, hopeless, now_ms())
        assert (await shop.wait_state(hopeless, "dead")).attempts == 4


async def test_what_is_not_there_is_waited_for_without_counting(target: str | Path) -> None:
    asked: list[int] = []

    async def handler(context: JobContext, _payload: Number) -> str:
        asked.append(context.attempt)
        if len(asked) < 8:  # twice as often as it may fail
            raise TryAgainError("the notifier is off", counts=False)
        return "done"

    async with (
        open_test_database(target) as database,
        working(database, lambda registry: registry.task(TYPE, handler)) as shop,
    ):
        job = await shop.wait_state(await shop.order(TYPE, Number(1)), "done", "dead")
        assert (job.state, job.attempts, asked) == ("done", 1, [1] * 8)
        assert shop.tally.outcomes == {("test.number", "released"): 7, ("test.number", "done"): 1}


@pytest.mark.parametrize(("counts", "asked_s", "least_s", "most_s"), [
    (True, 60.0, 60, 60), (True, 1e9, 3600, 3600), (True, None, 0, 1), (False, 60.0, 30, 60), (False, 1e9, 1800, 3600),
])  # fmt: skip
async def test_a_pause_that_is_asked_for_is_kept_within_reason(
    target: str | Path, counts: bool, asked_s: float | None, least_s: float, most_s: float
) -> None:
    async def handler(_context: JobContext, _payload: Number) -> None:
        raise TryAgainError("busy", asked_s, counts=counts)

    kind = number_type(attempts=99)
    async with (
        open_test_database(target) as database,
        working(database, lambda registry: registry.task(kind, handler)) as shop,
    ):
        before_ms = now_ms()
        job_id = await shop.order(kind, Number(1))
        while (job := await shop.job(job_id)).error is None:  # noqa: ASYNC110  # another task's transaction
            await trio.sleep(0.005)
        assert "busy" in job.error
        waits_s = (job.run_at_ms - before_ms) / 1000
        assert least_s <= waits_s <= most_s + 5
        assert job.attempts >= 1 if counts else job.attempts == 0


class Rubbish(msgspec.Struct):
    """What an older or a wrong program may have written."""

    m: str


async def test_poison_stops_nothing(target: str | Path) -> None:
    """Rubbish, exceptions of every kind, a process that dies: each costs its own job."""

    async def handler(_context: JobContext, payload: Number) -> object:
        if payload.n == 1:
            raise SystemExit(3)
        if payload.n == 2:
            return object()  # no JSON
        if payload.n == 3:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.sleep_forever)
                raise ValueError("in a nursery")
        if payload.n == 4:
            await trio.sleep_forever()
        return None

    kind, crash = number_type(attempts=1, deadline_s=0.1), number_type("test.crash", attempts=1)

    def fill(registry: Registry) -> None:
        registry.task(kind, handler)
        registry.process(crash, _kill_myself)

    async with open_test_database(target) as database, working(database, fill) as shop:
        rubbish = number_type(attempts=4).order(Number(0), now_ms=now_ms())
        rubbish = msgspec.structs.replace(rubbish, payload=msgspec.json.encode(Rubbish("x")).decode())
        await database.run(jobs.enqueue, rubbish)
        ids = [await shop.order(kind, Number(n)) for n in (1, 2, 3, 4)]
        ids.append(await shop.order(crash, Number(0)))
        errors = [(await shop.wait_state(job_id, "dead")).error or "" for job_id in (rubbish.id, *ids)]
        words = ("ValidationError", "SystemExit", "TypeError", "in a nursery", "deadline", "BrokenWorker")
        for error, word in zip(errors, words, strict=True):
            assert word in error
        assert (await shop.job(rubbish.id)).attempts == 1  # no attempt would read it differently
        fine = await shop.order(kind, Number(9))
        await shop.wait_state(fine, "done")


async def test_process_jobs_compute(tmp_path: Path) -> None:
    async with (
        open_test_database(tmp_path) as database,
        working(database, lambda registry: registry.process(TYPE, _square)) as shop,
    ):
        ids = [await shop.order(TYPE, Number(n)) for n in (5, 6)]
        assert [(await shop.wait_state(job_id, "done", "dead")).result for job_id in ids] == ["25", "36"]


async def test_a_running_job_is_cancelled(target: str | Path) -> None:
    ended: list[str] = []

    async def handler(_context: JobContext, payload: Number) -> None:
        try:
            await trio.sleep_forever()
        except trio.Cancelled:
            ended.append("cancelled")
            if payload.n:
                raise LookupError("and it fails as it is cancelled") from None
            raise

    async with (
        open_test_database(target) as database,
        working(database, lambda registry: registry.task(TYPE, handler)) as shop,
    ):
        for n in (0, 1):
            job_id = await shop.order(TYPE, Number(n))
            await shop.wait_state(job_id, "running")
            assert await database.run(jobs.cancel, job_id, now_ms())
            assert (await shop.wait_state(job_id, "cancelled")).finished_at_ms is not None
        assert ended == ["cancelled", "cancelled"]


async def test_no_more_at_once_than_a_type_allows(target: str | Path) -> None:
    now, most = 0, 0

    async def handler(_context: JobContext, _payload: Number) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await trio.sleep(0.01)
        now -= 1

    kind = number_type(at_once=2)
    async with (
        open_test_database(target) as database,
        working(database, lambda registry: registry.task(kind, handler)) as shop,
    ):
        ids = [await shop.order(kind, Number(n)) for n in range(10)]
        for job_id in ids:
            await shop.wait_state(job_id, "done")
        assert most == 2


async def test_progress_can_be_read_while_it_runs(target: str | Path) -> None:
    go_on = trio.Event()

    async def handler(context: JobContext, _payload: Number) -> None:
        context.progress(0.5, "half\0way")
        context.progress(7.0)
        context.progress(float("nan"), "x" * 500)
        context.progress(0.75, "three\0quarters")
        await go_on.wait()

    async with (
        open_test_database(target) as database,
        working(database, lambda registry: registry.task(TYPE, handler)) as shop,
    ):
        job_id = await shop.order(TYPE, Number(1))
        while (job := await shop.job(job_id)).progress_share is None:  # noqa: ASYNC110  # another task's transaction
            await trio.sleep(0.01)
        assert (job.state, job.progress_share, job.progress_note) == ("running", 0.75, "three\ufffdquarters")
        go_on.set()
        await shop.wait_state(job_id, "done")


async def test_a_job_for_later_waits_and_then_runs_by_itself(target: str | Path) -> None:
    times: list[int] = []

    async def handler(_context: JobContext, _payload: Number) -> None:
        times.append(now_ms())

    async with (
        open_test_database(target) as database,
        working(database, lambda registry: registry.task(TYPE, handler)) as shop,
    ):
        when_ms = now_ms() + 400
        job_id = await shop.order(TYPE, Number(1), run_at_ms=when_ms)
        await shop.wait_state(job_id, "done")
        assert times[0] >= when_ms
        assert times[0] < when_ms + LOOK_EACH_S * 900  # not when it looks again


async def test_two_servers_share_a_schedule(target: str | Path) -> None:
    async def handler(_context: JobContext, _payload: Number) -> None:
        return None

    def fill(registry: Registry) -> None:
        registry.task(TYPE, handler)
        registry.recur("each second", TYPE, Number(1), Every(1))

    async with (
        open_test_database(target) as database,
        working(database, fill, worker="w1"),
        working(database, fill, worker="w2"),
    ):
        with trio.move_on_after(3.3):
            await trio.sleep_forever()
    async with open_test_database(target) as database:
        rows = await database.read(jobs.page, state=None, type=None, after=None, limit=50)
    keys = [row.idempotency_key for row in rows]
    assert len(keys) == len(set(keys))
    assert 2 <= len(keys) <= 4


async def test_a_stop_lets_jobs_finish_and_gives_the_rest_back(target: str | Path) -> None:
    begun: list[int] = []

    async def handler(_context: JobContext, payload: Number) -> None:
        begun.append(payload.n)
        await trio.sleep(0.1 if payload.n == 1 else 3600)

    kind = number_type(deadline_s=7200)
    async with (
        open_test_database(target) as database,
        working(database, lambda registry: registry.task(kind, handler)) as shop,
    ):
        short, long = await shop.order(kind, Number(1)), await shop.order(kind, Number(2))
        await shop.wait_state(short, "running")
        await shop.wait_state(long, "running")
        with trio.move_on_after(0.3) as bound:
            await shop.runner.drain()
        assert bound.cancelled_caught
        late = await shop.order(kind, Number(3))
        await shop.runner.release()
        assert [(await shop.job(job_id)).state for job_id in (short, long, late)] == ["done", "waiting", "waiting"]
        given_back = await shop.job(long)
        assert (given_back.attempts, given_back.worker, given_back.lease_until_ms) == (0, None, None)
        assert sorted(begun) == [1, 2]
        assert shop.tally.outcomes["test.number", "released"] == 1


async def test_a_drain_without_work_ends_at_once(tmp_path: Path) -> None:
    async with (
        open_test_database(tmp_path) as database,
        working(database, lambda registry: registry.task(TYPE, _never)) as shop,
    ):
        with trio.fail_after(5):
            await shop.runner.drain()


async def _never(_context: JobContext, _payload: Number) -> None:
    raise AssertionError("not run here")


async def test_leases_are_renewed_while_a_job_runs(postgres_url: str) -> None:
    """The lease is two seconds, the job takes four and a half, and another server looks when it runs out."""
    begun: list[int] = []

    async def handler(context: JobContext, _payload: Number) -> None:
        begun.append(context.attempt)
        await trio.sleep(4.5)

    def fill(registry: Registry) -> None:
        registry.task(TYPE, handler)

    async with (
        open_test_database(postgres_url) as database,
        working(database, fill, worker="w1", lease_s=2.0) as shop,
        working(database, fill, worker="w2", lease_s=2.0),
    ):
        job_id = await shop.order(TYPE, Number(1))
        assert (await shop.wait_state(job_id, "done", "dead")).attempts == 1
        assert begun == [1]


async def test_who_lost_its_lease_stops_and_says_nothing(postgres_url: str) -> None:
    stopped = trio.Event()

    async def handler(context: JobContext, _payload: Number) -> None:
        if context.attempt == 1:
            try:
                await trio.sleep_forever()
            finally:
                stopped.set()

    async def steal(conn: Any, job_id: str) -> None:
        await conn.execute("UPDATE jobs SET worker = 'thief', attempts = 2 WHERE id = $1", job_id)

    async with (
        open_test_database(postgres_url) as database,
        working(database, lambda registry: registry.task(TYPE, handler), lease_s=1.0) as shop,
    ):
        job_id = await shop.order(TYPE, Number(1))
        await shop.wait_state(job_id, "running")
        await database.run(steal, job_id)
        await stopped.wait()
        assert (await shop.job(job_id)).worker == "thief"
        assert (await shop.wait_state(job_id, "done")).attempts == 3  # the thief let it lapse
