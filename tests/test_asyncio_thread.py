"""Two real loops: calls, results, errors, cancellation and context cross; a crash over there is a crash here."""

from __future__ import annotations

import asyncio
import contextvars
import threading

import pytest
import trio
import trio.testing

from appliance.asyncio_thread import AsyncioThread, AsyncioThreadError, open_asyncio_thread

request_id: contextvars.ContextVar[str] = contextvars.ContextVar("request_id", default="none")


async def test_a_call_runs_over_there_and_its_result_comes_back() -> None:
    async def work(number: int) -> tuple[int, str]:
        await asyncio.sleep(0)
        return number * 2, threading.current_thread().name

    async with open_asyncio_thread() as thread:
        assert await thread.call(work, 21) == (42, "asyncio")
        statistics = thread.statistics()
    assert statistics["calls_total"] == 1
    assert statistics["calls_active"] == 0
    assert "asyncio" not in [running.name for running in threading.enumerate()]


async def test_errors_of_every_kind_come_back() -> None:
    async def fail(error: BaseException) -> None:
        raise error

    async with open_asyncio_thread() as thread:
        with pytest.raises(ValueError, match="over there"):
            await thread.call(fail, ValueError("over there"))
        with pytest.raises(SystemExit):
            await thread.call(fail, SystemExit(3))
        with pytest.raises(KeyboardInterrupt):
            await thread.call(fail, KeyboardInterrupt())
        with pytest.raises(AsyncioThreadError, match="cancelled"):
            await thread.call(fail, asyncio.CancelledError())
        assert await thread.call(asyncio.sleep, 0, "still alive") == "still alive"


async def test_cancellation_crosses_and_waits_for_clean_up() -> None:
    steps: list[str] = []

    async def sleeper() -> None:
        steps.append("started")
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(0.01)
            steps.append("cleaned up")
            raise

    async with open_asyncio_thread() as thread:
        with trio.move_on_after(0.05) as scope:
            await thread.call(sleeper)
        assert scope.cancelled_caught
        assert steps == ["started", "cleaned up"]
        assert thread.statistics()["calls_active"] == 0


async def test_a_result_that_wins_against_cancellation_is_kept() -> None:
    async def stubborn() -> str:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return "done anyway"
        raise AssertionError("nobody cancelled")

    async with open_asyncio_thread() as thread:
        with trio.move_on_after(0.05) as scope:
            assert await thread.call(stubborn) == "done anyway"
        assert not scope.cancelled_caught


async def test_a_cancelled_caller_does_not_start() -> None:
    started: list[int] = []

    async def work() -> None:
        started.append(1)

    async with open_asyncio_thread() as thread:
        with trio.CancelScope() as scope:
            scope.cancel()
            await thread.call(work)
        assert scope.cancelled_caught
    assert not started


async def test_context_variables_cross_both_ways() -> None:
    seen: list[str] = []
    told = trio.Event()

    async def work(thread: AsyncioThread) -> str:
        thread.send_to_trio(lambda: (seen.append(request_id.get()), told.set()))
        return request_id.get()

    async with open_asyncio_thread() as thread:
        request_id.set("req_1")
        assert await thread.call(work, thread) == "req_1"
        request_id.set("req_2")
        thread.post(lambda: seen.append(request_id.get()))
        await told.wait()
        await thread.call(asyncio.sleep, 0)
    assert sorted(seen) == ["req_1", "req_2"]


async def test_posts_and_sends_keep_their_order_in_one_wake_up() -> None:
    here: list[int] = []
    there: list[int] = []
    done = trio.Event()

    async with open_asyncio_thread() as thread:

        async def answer() -> None:
            for number in range(1000):
                thread.send_to_trio(here.append, number)
            thread.send_to_trio(done.set)

        wake_ups = 0
        schedule = thread.loop.call_soon_threadsafe

        def counted(*args: object, **options: object) -> asyncio.Handle:
            nonlocal wake_ups
            wake_ups += 1
            return schedule(*args, **options)  # type: ignore[arg-type]

        thread.loop.call_soon_threadsafe = counted  # type: ignore[method-assign, assignment]
        for number in range(1000):
            thread.post(there.append, number)
        thread.post(answer)
        await done.wait()
    assert there == list(range(1000))
    assert here == list(range(1000))
    assert wake_ups < 200  # the other thread may begin before the last post


@pytest.mark.parametrize("kind", ["function", "coroutine"])
async def test_what_escapes_a_posted_function_ends_the_body(kind: str) -> None:
    def function() -> None:
        raise LookupError("posted")

    async def coroutine() -> None:
        await asyncio.sleep(0)
        raise LookupError("posted")

    with pytest.raises(LookupError, match="posted"):
        async with open_asyncio_thread() as thread:
            thread.post(function if kind == "function" else coroutine)
            await trio.sleep_forever()


async def test_what_escapes_a_function_sent_to_trio_ends_the_body() -> None:
    def fail() -> None:
        raise LookupError("sent")

    with pytest.raises(LookupError, match="sent"):
        async with open_asyncio_thread() as thread:
            thread.post(thread.send_to_trio, fail)
            await trio.sleep_forever()


async def test_a_crash_of_the_thread_ends_the_body_and_every_call() -> None:
    outcomes: list[str] = []

    async def caller(thread: AsyncioThread) -> None:
        with trio.CancelScope(shield=True):  # as clean-up does; others are cancelled with the body
            try:
                await thread.call(asyncio.sleep, 60)
            except AsyncioThreadError as error:
                outcomes.append(str(error))
                assert isinstance(error.__cause__, SystemExit)

    def crash() -> None:
        raise SystemExit("the loop is gone")

    with pytest.raises(AsyncioThreadError, match="the loop is gone"):
        async with open_asyncio_thread() as thread, trio.open_nursery() as nursery:
            nursery.start_soon(caller, thread)
            await trio.testing.wait_all_tasks_blocked()
            thread.loop.call_soon_threadsafe(crash)
            await trio.sleep_forever()
    assert len(outcomes) == 1
    with pytest.raises(AsyncioThreadError):
        await thread.call(asyncio.sleep, 0)
    with pytest.raises(AsyncioThreadError):
        thread.post(print)


async def test_an_error_of_the_body_is_raised_as_it_is() -> None:
    with pytest.raises(ZeroDivisionError):
        async with open_asyncio_thread():
            raise ZeroDivisionError


async def test_tasks_left_over_are_cancelled_at_the_end() -> None:
    ended: list[str] = []

    async def background() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append("cancelled")

    async with open_asyncio_thread() as thread:
        thread.post(background)
        await thread.call(asyncio.sleep, 0)
        assert thread.statistics()["tasks_background"] == 1
    assert ended == ["cancelled"]
    with pytest.raises(AsyncioThreadError, match="not running"):
        await thread.call(asyncio.sleep, 0)


async def test_an_exception_nobody_awaits_is_logged_and_the_loop_goes_on(capfd: pytest.CaptureFixture[str]) -> None:
    async with open_asyncio_thread() as thread:

        async def later() -> None:
            asyncio.get_running_loop().call_soon(lambda: 1 // 0)
            await asyncio.sleep(0.01)

        await thread.call(later)
        assert await thread.call(asyncio.sleep, 0, "alive") == "alive"
    printed = capfd.readouterr()
    assert "asyncio_unhandled" in printed.out + printed.err
    assert "ZeroDivisionError" in printed.out + printed.err


async def test_many_callers_at_once() -> None:
    async def work(number: int) -> int:
        await asyncio.sleep(0.001 * (number % 3))
        return number

    results: list[int] = []

    async def caller(thread: AsyncioThread, number: int) -> None:
        results.append(await thread.call(work, number))

    async with open_asyncio_thread() as thread, trio.open_nursery() as nursery:
        for number in range(500):
            nursery.start_soon(caller, thread, number)
    assert sorted(results) == list(range(500))
