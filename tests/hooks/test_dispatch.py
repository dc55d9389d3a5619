"""Whatever a plugin does, callers are answered in time, others go on, and who misbehaves is off with a reason."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
import trio

from appliance.events.envelope import Envelope
from appliance.hooks import calls
from appliance.hooks.contract import (
    Authenticator,
    Credentials,
    EventListener,
    Identity,
    Notification,
    Notifier,
    Storage,
    TryLater,
    Undeliverable,
)
from appliance.hooks.dispatch import MAX_OUTSTANDING, MAX_TASKS, StillRunningError
from tests.support.plugins import (
    LISTENERS,
    NOTIFIERS,
    ended,
    found,
    listener,
    message,
    notifier,
    opening,
    plugin,
    running,
    wait_state,
)


def _does(*, raising: BaseException | None = None) -> Callable[[Notification], Awaitable[None]]:
    async def notify(_notification: Notification) -> None:
        if raising is not None:
            raise raising

    return notify


async def test_a_notification_is_handed_over_as_it_is() -> None:
    handed: list[Notification] = []

    async def notify(notification: Notification) -> None:
        handed.append(notification)

    async with running(notifier("mail", notify)) as plugins:
        await plugins.notify("mail", message())
        numbers = plugins.status("mail").statistics
    assert handed == [message()]
    assert (numbers.calls, numbers.succeeded, numbers.outstanding) == (1, 1, 0)
    assert 0 < numbers.latency_max_s == numbers.latency_total_s < 5


async def test_answers_are_no_failures() -> None:
    answers = {"never": Undeliverable("no such address"), "later": TryLater("the mail server is away", 60)}
    plugins_ = [notifier(name, _does(raising=answer)) for name, answer in answers.items()]
    async with running(*plugins_, max_failures=2) as plugins:
        for _ in range(5):
            with pytest.raises(Undeliverable, match="no such address"):
                await plugins.notify("never", message())
            with pytest.raises(TryLater, match="is away") as caught:
                await plugins.notify("later", message())
            assert caught.value.after_s == 60
        for name, counted in (("never", "undeliverable"), ("later", "later")):
            status = plugins.status(name)
            assert (status.state, getattr(status.statistics, counted)) == ("enabled", 5)


@pytest.mark.parametrize(
    "error", [LookupError("lost"), SystemExit(1), KeyboardInterrupt(), BaseExceptionGroup("x", [SystemExit(1)])]
)
async def test_failures_in_a_row_switch_it_off(error: BaseException) -> None:
    failing = True

    async def notify(_notification: Notification) -> None:
        if failing:
            raise error

    async with running(notifier("mail", notify), max_failures=3) as plugins:
        for _ in range(2):
            with pytest.raises(TryLater):
                await plugins.notify("mail", message())
        failing = False
        await plugins.notify("mail", message())  # the row is broken
        failing = True
        for _ in range(3):
            assert plugins.status("mail").state == "enabled"
            with pytest.raises(TryLater):
                await plugins.notify("mail", message())
        status = plugins.status("mail")
        assert status.state == "disabled" and status.since_ms is not None
        assert status.reason is not None and status.reason.startswith("failed 3 times in a row, at last: ")
        with pytest.raises(TryLater, match="plugin mail is disabled: failed 3 times"):
            await plugins.notify("mail", message())
        assert plugins.status("mail").statistics.refused == 1

        failing = False
        await _settled(plugins.enable, "mail")
        await plugins.notify("mail", message())
        assert plugins.status("mail").state == "enabled"


async def _settled(enable: Callable[[str], Awaitable[Any]], name: str) -> None:
    """Enable as soon as the old thread has gone."""
    while True:
        try:
            await enable(name)
            return
        except StillRunningError:
            await trio.sleep(0.02)


async def test_a_plugin_that_hangs_keeps_nobody_and_delays_no_other() -> None:
    async def hang(_notification: Notification) -> None:
        await trio.sleep_forever()

    plugins_ = notifier("slow", hang), notifier("quick", _does())
    async with running(*plugins_, call_deadline_s=1, max_failures=2) as plugins:
        over = []

        async def slow() -> None:
            with pytest.raises(TryLater, match=r"not done within 1 s"):
                await plugins.notify("slow", message())
            over.append(1)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(slow)
            nursery.start_soon(slow)
            await trio.sleep(0.01)
            await plugins.notify("quick", message())
            assert over == []
        assert plugins.status("slow").state == "disabled"
        assert plugins.status("quick").state == "enabled"


async def test_calls_under_way_are_bounded() -> None:
    release = threading.Event()

    async def hold(_notification: Notification) -> None:
        while not release.is_set():  # noqa: ASYNC110  # an event of the other loop
            await trio.sleep(0.005)

    async with running(notifier("mail", hold)) as plugins, trio.open_nursery() as nursery:
        for number in range(MAX_OUTSTANDING):
            nursery.start_soon(plugins.notify, "mail", message(number))
        while plugins.status("mail").statistics.outstanding < MAX_OUTSTANDING:  # noqa: ASYNC110  # as above
            await trio.sleep(0.005)
        with pytest.raises(TryLater, match=f"has {MAX_OUTSTANDING} calls under way"):
            await plugins.notify("mail", message(99))
        release.set()


@pytest.mark.slow
async def test_a_loop_that_stands_still_is_found_and_left() -> None:
    async def block(_notification: Notification) -> None:
        time.sleep(7)  # noqa: ASYNC251  # what a plugin must not do

    async with running(notifier("mail", block), call_deadline_s=0.1, max_failures=100) as plugins:
        with pytest.raises(TryLater):
            await plugins.notify("mail", message())
        assert "stood still for 5 s" in await wait_state(plugins, "mail", "disabled")
        with pytest.raises(StillRunningError, match="restart the server"):
            await plugins.enable("mail")


@pytest.mark.slow
async def test_a_plugin_that_floods_its_loop_is_switched_off() -> None:
    @asynccontextmanager
    async def life(_config: object, _context: object) -> AsyncIterator[Notifier]:
        async with trio.open_nursery() as nursery:
            for _ in range(MAX_TASKS + 1):
                nursery.start_soon(trio.sleep_forever)
            yield Notifier(notify=_does())
            nursery.cancel_scope.cancel()

    async with running(found("mail", lambda: plugin(life))) as plugins:
        assert f"more than {MAX_TASKS}" in await wait_state(plugins, "mail", "disabled")


@pytest.mark.slow
async def test_a_plugin_that_ends_by_itself_says_why_and_starts_again() -> None:
    crash = threading.Event()

    @asynccontextmanager
    async def life(_config: object, _context: object) -> AsyncIterator[Notifier]:
        async def watch() -> None:
            while not crash.is_set():  # noqa: ASYNC110  # an event of the other loop
                await trio.sleep(0.01)
            raise ConnectionError("lost the queue")

        async with trio.open_nursery() as nursery:
            nursery.start_soon(watch)
            yield Notifier(notify=_does())

    async with running(found("mail", lambda: plugin(life))) as plugins:
        await plugins.notify("mail", message())
        crash.set()
        reason = await wait_state(plugins, "mail", "disabled")
        assert reason == "it ended by itself: ConnectionError: lost the queue"
        crash.clear()
        await _settled(plugins.enable, "mail")
        await plugins.notify("mail", message())
        with trio.move_on_after(1):
            await plugins.enable("mail")  # nothing happens to one that runs
        assert plugins.status("mail").statistics.succeeded == 2
        crash.set()  # or its last life would outlast the test's patience
        await wait_state(plugins, "mail", "disabled")


async def _nothing(_argument: object) -> None: ...


GOOD = notifier("good", _nothing)


class _Raising:
    """Asked what it is, it raises."""

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("yielded", "groups", "reason"),
    [
        ("rubbish", NOTIFIERS, "open yielded str, not one hook for each of parley.notifiers"),
        (None, NOTIFIERS, "open yielded NoneType"),
        (EventListener(events=frozenset(), on_event=_nothing), NOTIFIERS, "open yielded EventListener for"),
        ((Notifier(notify=_nothing), Notifier(notify=_nothing)), NOTIFIERS, "not one hook for each"),
        (Notifier(notify=_nothing), NOTIFIERS + LISTENERS, "open yielded Notifier for"),
        (EventListener(events=["x"], on_event=_nothing), LISTENERS, "events is no frozenset"),  # type: ignore[arg-type]
        (
            EventListener(events=frozenset({5}), on_event=_nothing),  # type: ignore[arg-type]
            LISTENERS,
            "events holds something else than texts",
        ),
        (
            EventListener(events=frozenset({"meeting.exploded"}), on_event=_nothing),
            LISTENERS,
            "events: there is no 'meeting.exploded'",
        ),
    ],
)
async def test_rubbish_for_hooks_is_refused(yielded: Any, groups: tuple[str, ...], reason: str) -> None:
    async with running(found("odd", lambda: plugin(opening(yielded)), groups)) as plugins:
        status = plugins.status("odd")
        assert status.state == "failed" and status.reason is not None and reason in status.reason


async def test_what_raises_when_it_is_looked_at_is_refused() -> None:
    async with running(found("odd", lambda: plugin(opening(_Raising())))) as plugins:
        status = plugins.status("odd")
        assert (status.state, status.reason) == ("failed", "looking at its hooks: ZeroDivisionError")


@pytest.mark.slow
async def test_what_stands_still_when_it_is_looked_at_stands_there_alone() -> None:
    class Slow:
        """Asked what it is, it takes its time."""

        @property  # type: ignore[misc]
        def __class__(self) -> type:
            time.sleep(5)
            return int

    began = trio.current_time()
    odd = found("odd", lambda: plugin(opening(Slow())))
    async with running(odd, GOOD, start_deadline_s=1) as plugins:
        assert trio.current_time() - began < 4.9
        assert plugins.status("odd").reason == "still looking at its hooks after 1 s"
        await plugins.notify("good", message())


async def test_a_plugin_may_have_a_hook_for_each_of_its_groups() -> None:
    told: list[object] = []

    async def hear(argument: object) -> None:
        told.append(argument)

    hooks = Notifier(notify=hear), EventListener(events=frozenset({"meeting.ended"}), on_event=hear)
    async with running(found("both", lambda: plugin(opening(*hooks)), NOTIFIERS + LISTENERS)) as plugins:
        await plugins.notify("both", message())
        await plugins.tell("both", ended())
        assert (plugins.notifiers(), plugins.listeners()) == (["both"], {"both": frozenset({"meeting.ended"})})
    assert told == [message(), ended()]


async def test_a_hook_that_it_has_not_is_never_called() -> None:
    async def hear(_envelope: Envelope) -> None: ...

    async with running(listener("ears", ["user_events"], hear)) as plugins:
        with pytest.raises(Undeliverable, match="plugin ears is no Notifier"):
            await plugins.notify("ears", message())


async def test_answers_come_back_and_rubbish_is_the_plugins_failure() -> None:
    ann = Identity(subject="1", username="ann", email="ann@example.org", display_name="Ann")
    answers: list[Any] = [ann, None, "rubbish", msgspec.structs.replace(ann, email=""), ann, 5, 5, 5]

    async def authenticate(_credentials: Credentials) -> Any:
        return answers.pop(0)

    asked = Credentials(login="ann", password="hunter2", address="192.0.2.1")
    hook = Authenticator(authenticate=authenticate)
    who = found("who", lambda: plugin(opening(hook)), ("parley.authentication",))
    async with running(who, GOOD, max_failures=3) as plugins:
        assert plugins.authenticators() == ["who"]
        assert await plugins.authenticate("who", asked) == ann
        assert await plugins.authenticate("who", asked) is None
        with pytest.raises(TryLater, match="the hook returned str, not Identity"):
            await plugins.authenticate("who", asked)
        with pytest.raises(TryLater, match=r"the hook returned Identity with .* at `\$.email`"):
            await plugins.authenticate("who", asked)
        assert await plugins.authenticate("who", asked) == ann  # the row is broken
        for _ in range(3):
            with pytest.raises(TryLater):
                await plugins.authenticate("who", asked)
        status = plugins.status("who")
        assert (status.state, status.statistics.failed) == ("disabled", 5)
        assert status.reason == "failed 3 times in a row, at last: the hook returned int, not Identity"
        await plugins.notify("good", message())


async def test_a_call_may_have_a_deadline_of_its_own() -> None:
    async def size(_key: str) -> None:
        await trio.sleep_forever()

    hook = Storage(put=_nothing, read=_nothing, size=size, delete=_nothing)  # type: ignore[arg-type]
    async with running(found("vault", lambda: plugin(opening(hook)), ("parley.storage",))) as plugins:
        with pytest.raises(TryLater, match=r"not done within 0\.05 s"):
            await plugins.ask("vault", calls.SIZE, "a/b", deadline_s=0.05)
        assert plugins.hook("vault", Storage) is hook
        with pytest.raises(LookupError):
            plugins.hook("vault", Notifier)
