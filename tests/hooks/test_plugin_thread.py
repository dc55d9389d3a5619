"""A plugin's thread lives and dies alone; its errors come over as one printable line."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import trio
import trio.lowlevel

from appliance.errors import ConfigError
from appliance.hooks.calls import nothing
from appliance.hooks.contract import TryLater, Undeliverable
from appliance.hooks.plugin_thread import Answer, Failure, PluginThread, reason_of


@asynccontextmanager
async def _empty_life() -> AsyncIterator[str]:
    yield "hooks"


async def _opened(life: AbstractAsyncContextManager[object] | None = None) -> PluginThread:
    thread = PluginThread("sample", lambda _thread: life or _empty_life(), lambda yielded: yielded)
    thread.start()
    await thread.wait_settled()
    return thread


async def _call(thread: PluginThread, hook: Any, argument: object, deadline_s: float) -> Answer | Failure:
    """A call that must return nothing."""
    return await thread.call(hook, (argument,), deadline_s, nothing)


async def _closed(thread: PluginThread) -> None:
    thread.stop()
    await thread.ended.wait()
    while thread.alive:  # noqa: ASYNC110  # its last breath tells nobody
        await trio.sleep(0.001)


async def test_it_lives_in_a_thread_and_loop_of_its_own() -> None:
    seen: list[Any] = []

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        seen.append((threading.current_thread().name, trio.lowlevel.current_trio_token()))
        try:
            yield
        finally:
            with trio.CancelScope(shield=True):
                await trio.lowlevel.checkpoint()
            seen.append("closed")

    thread = await _opened(life())
    assert thread.alive and thread.phase == "running"
    assert await thread.pulse() == (await thread.pulse())
    await _closed(thread)
    ((name, token), closed) = seen
    assert (name, closed, thread.failure) == ("plugin sample", "closed", None)
    assert token is not trio.lowlevel.current_trio_token()
    assert await thread.pulse() is None


async def test_calls_run_side_by_side_and_end_as_they_end() -> None:
    thread = await _opened()

    async def hook(what: object) -> object:
        await trio.lowlevel.checkpoint()
        match what:
            case "well":
                return None
            case "rubbish":
                return 5
            case "never":
                raise Undeliverable("no such address")
            case "later":
                raise TryLater("busy", 7)
            case "grouped":
                async with trio.open_nursery():
                    raise Undeliverable("from a nursery")
            case "long":
                await trio.sleep_forever()
            case "exit":
                raise SystemExit(3)
            case "interrupt":
                raise KeyboardInterrupt
            case "groups":
                raise BaseExceptionGroup("all", [SystemExit(1), ValueError("x")])
        raise LookupError("line one\nline two")

    expected = {
        "well": Answer(None),
        "rubbish": Failure(kind="failed", reason="the hook returned int, not None"),
        "never": Failure(kind="undeliverable", reason="no such address"),
        "later": Failure(kind="later", reason="busy", after_s=7),
        "grouped": Failure(kind="undeliverable", reason="from a nursery"),
        "long": Failure(kind="failed", reason="not done within 0.1 s"),
        "exit": Failure(kind="failed", reason="SystemExit: 3"),
        "interrupt": Failure(kind="failed", reason="KeyboardInterrupt"),
        "groups": Failure(kind="failed", reason="BaseExceptionGroup: all (2 sub-exceptions)"),
        "raise": Failure(kind="failed", reason="LookupError: line one line two"),
    }
    answers: dict[str, Answer | Failure] = {}

    async def one(what: str) -> None:
        answers[what] = await _call(thread, hook, what, 0.1 if what == "long" else 10)

    async with trio.open_nursery() as nursery:
        for what in expected:
            nursery.start_soon(one, what)
    assert answers == expected
    assert thread.outstanding == 0 and thread.alive
    await _closed(thread)
    assert await _call(thread, hook, "well", 1) == Failure(kind="ended", reason="it has ended")


async def test_a_hook_that_is_not_async_is_a_failure() -> None:
    thread = await _opened()
    failure = await _call(thread, lambda _argument: None, 1, 1)
    assert failure == Failure(kind="failed", reason="the hook is not async")
    await _closed(thread)


class _Odd:
    """Looked at, it raises or stands still."""

    def __init__(self, stands_still: bool) -> None:
        self._stands_still = stands_still

    def __eq__(self, other: object) -> bool:
        if self._stands_still:
            time.sleep(0.3)
        raise ZeroDivisionError

    __hash__ = None  # type: ignore[assignment]


async def test_answers_are_looked_at_over_there() -> None:
    thread = await _opened()
    looked_in: list[str] = []

    async def hook(what: object, more: object) -> object:
        return what, more

    def look(answer: object) -> object:
        looked_in.append(threading.current_thread().name)
        assert isinstance(answer, tuple)
        return answer == (_Odd(False), 2)

    def count(answer: object) -> int:
        assert isinstance(answer, tuple)
        return len(answer)

    assert await thread.call(hook, (1, 2), 1, count) == Answer(2)
    assert await thread.call(hook, (1, 2), 1, look) == Failure(kind="failed", reason="ZeroDivisionError")
    assert looked_in == ["plugin sample"] and thread.alive
    await _closed(thread)


async def test_a_call_that_does_not_let_go_is_given_up() -> None:
    thread = await _opened()
    release = threading.Event()

    async def deaf(_argument: object) -> None:
        with trio.CancelScope(shield=True):
            await trio.to_thread.run_sync(release.wait)

    began = trio.current_time()
    failure = await _call(thread, deaf, 1, 0.05)
    assert isinstance(failure, Failure) and "does not let go" in failure.reason
    assert trio.current_time() - began < 3
    assert thread.outstanding == 1  # it is not forgotten
    release.set()
    while thread.outstanding:  # noqa: ASYNC110  # the call's end is told to nobody
        await trio.sleep(0.001)
    await _closed(thread)


async def test_a_cancelled_caller_cancels_the_call() -> None:
    thread = await _opened()
    ends: list[str] = []

    async def hook(_argument: object) -> None:
        try:
            await trio.sleep_forever()
        finally:
            ends.append("cancelled")

    with trio.move_on_after(0.05):
        await _call(thread, hook, 1, 60)
    while thread.outstanding:  # noqa: ASYNC110  # the call's end is told to nobody
        await trio.sleep(0.001)
    assert ends == ["cancelled"]
    await _closed(thread)


async def test_stopping_it_ends_its_calls() -> None:
    thread = await _opened()
    answers: list[Answer | Failure] = []

    async def hook(_argument: object) -> None:
        await trio.sleep_forever()

    async with trio.open_nursery() as nursery:

        async def ask() -> None:
            answers.append(await _call(thread, hook, 1, 60))

        nursery.start_soon(ask)
        await trio.sleep(0.02)
        await _closed(thread)
    assert answers == [Failure(kind="ended", reason="it was being stopped")]


@pytest.mark.parametrize("error", [ValueError("no"), SystemExit(1), KeyboardInterrupt()])
async def test_a_life_that_fails_ends_alone(error: BaseException) -> None:
    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        async def crash() -> None:
            await trio.sleep(0.01)
            raise error

        async with trio.open_nursery() as nursery:
            nursery.start_soon(crash)
            yield

    thread = await _opened(life())
    await thread.ended.wait()
    assert thread.failure == reason_of(error)


async def test_what_is_no_context_manager_is_told() -> None:
    thread = await _opened(5)  # type: ignore[arg-type]
    assert thread.failure is not None and "asynchronous context manager" in thread.failure


@pytest.mark.slow
async def test_a_loop_that_spins_is_ended_against_its_will() -> None:
    thread = await _opened()

    async def spin(_argument: object) -> None:
        while True:
            pass

    failure = await _call(thread, spin, 1, 0.05)
    assert isinstance(failure, Failure) and failure.kind == "failed"
    thread.stop()
    with trio.move_on_after(0.2):
        await thread.ended.wait()
    assert thread.alive
    thread.kill()
    await thread.ended.wait()
    assert thread.outstanding == 0


async def test_what_a_killed_loop_leaves_is_closed_in_its_own_thread() -> None:
    thread = await _opened()
    closed_in: list[str] = []

    async def wait(_argument: object) -> None:
        try:
            await trio.sleep_forever()
        finally:
            closed_in.append(threading.current_thread().name)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_call, thread, wait, 1, 60.0)
        while await thread.pulse() != 4:  # noqa: ASYNC110  # two of the loop's own, `_live`, and the call
            await trio.sleep(0.001)
        thread.kill()
        await thread.pulse()  # wakes the loop, outside any of its tasks
        await thread.ended.wait()
    gc.collect()
    assert closed_in == ["plugin sample"]


@pytest.mark.slow
async def test_a_life_that_does_not_end_is_closed_in_its_own_thread_too() -> None:
    ended_in: list[str] = []

    @asynccontextmanager
    async def life() -> AsyncIterator[None]:
        try:
            yield
        finally:
            try:
                with trio.CancelScope(shield=True):
                    await trio.sleep(0.5)
            finally:
                ended_in.append(threading.current_thread().name)

    thread = await _opened(life())
    thread.stop()
    await trio.sleep(0.1)
    thread.kill()
    await thread.ended.wait()
    assert ended_in == ["plugin sample"]
    gc.collect()  # or what is left would complain in somebody else's test


@pytest.mark.slow
async def test_the_server_does_not_stand_still_with_it() -> None:
    thread = await _opened()
    late: list[float] = []

    async def block(_argument: object) -> None:
        time.sleep(0.5)  # noqa: ASYNC251  # what a plugin must not do

    async with trio.open_nursery() as nursery:
        nursery.start_soon(_call, thread, block, 1, 5.0)
        for _ in range(40):
            before = trio.current_time()
            await trio.sleep(0.01)
            late.append(trio.current_time() - before - 0.01)
    assert max(late) < 0.3  # far from the half second, on a machine that does other things too
    await _closed(thread)


class _NoTextError(Exception):
    def __str__(self) -> str:
        raise ValueError


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConfigError("http.port = 1: no"), "http.port = 1: no"),
        (ValueError("a\x1b[31m\n\tb"), "ValueError: a [31m b"),
        (ValueError(), "ValueError"),
        (_NoTextError(), "_NoTextError: its text cannot be made: ValueError"),
        (ExceptionGroup("g", [ExceptionGroup("h", [Undeliverable("inner")])]), "inner"),
    ],
)
def test_a_reason_is_a_printable_line(error: BaseException, line: str) -> None:
    assert reason_of(error) == line


def test_a_reason_is_short() -> None:
    assert len(reason_of(ValueError("x" * 1_000_000))) == 300
