"""Start-up waits for no plugin beyond its deadline, and everything ends with the server."""

from __future__ import annotations

import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.hooks.contract import CONTRACT, Context, Notifier, Plugin, PluginConfig, TryLater
from appliance.hooks.discovery import Found
from appliance.settings import GivenValue, PluginTable
from tests.support.plugins import ended, found, listener, message, notifier, opening, plugin, running, started


async def _nothing(_argument: object) -> None: ...


GOOD = notifier("good", _nothing)


def _raises(error: BaseException) -> object:
    raise error


class Port(PluginConfig, frozen=True):
    """A key."""

    port: int


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (found("bad", lambda: _raises(ModuleNotFoundError("No module named 'x'"))), "importing: ModuleNotFoundError:"),
        (found("bad", lambda: _raises(SystemExit(1))), "importing: SystemExit: 1"),
        (found("bad", lambda: 5), "importing: the entry point names a int"),
        (found("bad", lambda: plugin(opening(), contract=7)), "importing: built for contract 7"),
        (found("bad", lambda: plugin(opening(), Port)), "configuring: plugins.bad.port: must be set"),
        (found("bad", lambda: plugin(lambda: None)), "opening: TypeError:"),
        (found("bad", lambda: plugin(lambda *_: _raises(ValueError("no")))), "opening: ValueError: no"),
        (found("bad", lambda: plugin(opening(5))), "looking at its hooks: open yielded int"),
    ],
)
async def test_a_bad_plugin_is_told_and_the_others_run(bad: Found, reason: str) -> None:
    async with running(bad, GOOD) as plugins:
        status = plugins.status("bad")
        assert status.state == "failed" and status.reason is not None and status.reason.startswith(reason)
        with pytest.raises(TryLater, match="plugin bad is failed"):
            await plugins.notify("bad", message())
        await plugins.notify("good", message())


@pytest.mark.slow
async def test_a_slow_import_is_left_behind() -> None:
    def load() -> object:
        time.sleep(6)
        return plugin(opening(Notifier(notify=_nothing)))

    began = trio.current_time()
    async with running(found("slow", load), GOOD, start_deadline_s=1) as plugins:
        assert trio.current_time() - began < 5.9
        status = plugins.status("slow")
        assert (status.state, status.reason) == ("failed", "still importing after 1 s")
        await plugins.notify("good", message())


@pytest.mark.slow
async def test_an_open_that_does_not_come_back_is_left_behind() -> None:
    @asynccontextmanager
    async def life(_config: Any, _context: Context) -> AsyncIterator[Notifier]:
        await trio.sleep_forever()
        yield Notifier(notify=_nothing)

    async with running(found("slow", lambda: plugin(life)), start_deadline_s=0.1) as plugins:
        assert plugins.status("slow").reason == "still opening after 0.1 s"


async def test_a_plugin_is_given_its_settings_and_closed_at_the_end() -> None:
    seen: list[Any] = []

    @asynccontextmanager
    async def life(config: Port, context: Context) -> AsyncIterator[Notifier]:
        seen.append((config, context))
        try:
            yield Notifier(notify=_nothing)
        finally:
            seen.append("closed")

    made = Plugin(contract=CONTRACT, summary="x", config=Port, open=life)
    tables = (PluginTable("mail", (("port", GivenValue(25, "f")),)),)
    async with running(found("mail", lambda: made), tables=tables):
        context = Context(
            name="mail", parley_version="0.0.test", public_url="https://meet.example.org", call_deadline_s=30.0
        )
        assert seen == [(Port(port=25), context)]
    assert seen[1:] == ["closed"]
    for thread in threading.enumerate():
        if thread.name == "plugin mail":  # it has said that it ends
            thread.join(5)
            assert not thread.is_alive()


@pytest.mark.slow
async def test_a_plugin_that_does_not_close_keeps_the_server_for_a_moment_only() -> None:
    @asynccontextmanager
    async def life(_config: Any, _context: Context) -> AsyncIterator[Notifier]:
        try:
            yield Notifier(notify=_nothing)
        finally:
            with trio.CancelScope(shield=True):
                await trio.sleep(60)

    async with running(found("mail", lambda: plugin(life))):
        began = trio.current_time()
    assert 2.5 < trio.current_time() - began < 6


async def test_events_reach_who_wants_them() -> None:
    heard: list[str] = []

    async def hear(envelope: Any) -> None:
        heard.append(envelope.event.event_type)

    async with running(listener("ears", ["meeting_events"], hear)) as plugins:
        for envelope in (started(), ended()):
            await plugins.tell("ears", envelope)
        assert plugins.listeners()["ears"] >= {"meeting.started", "meeting.ended", "meeting.user_left"}
    assert heard == ["meeting.started", "meeting.ended"]


async def test_what_rests_is_listed_and_never_imported(tmp_path: Path) -> None:
    resting = found("resting", lambda: _raises(AssertionError("imported")))
    later = found("later", lambda: None, ("parley.storage",), unsupported="two plugins have this name")
    async with running(GOOD, resting, later, enabled=("good", "later", "missing")) as plugins:
        states = {status.name: (status.state, status.reason) for status in plugins.list_all()}
        assert states == {
            "good": ("enabled", None),
            "resting": ("available", None),
            "later": ("unsupported", "two plugins have this name"),
            "missing": ("failed", "not installed: no package here has a plugin of this name"),
        }
        assert list(states) == sorted(states)
        for name in ("resting", "nobody"):
            with pytest.raises(KeyError):
                await plugins.enable(name)
        assert set(plugins.statistics()) == {"good", "later", "missing"}
        assert plugins.statistics()["good"]["enabled"] == 1
