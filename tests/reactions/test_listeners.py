"""Listeners are told over restarts, failures and months of being off; nothing is given up while they are not there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.bus.relay import GiveUpError, NotTriedError, TryAgainError
from appliance.events.envelope import Envelope
from appliance.hooks.contract import EventListener, TryLater, Undeliverable
from appliance.hooks.discovery import Found
from appliance.hooks.dispatch import StillRunningError
from appliance.hooks.running import Known, Plugins
from appliance.reactions.listeners import subscribers
from appliance.store import outbox
from appliance.store.database import Database
from tests.bus.test_relay import Clock, Running, relaying
from tests.support.plugins import LISTENERS, ended, found, listener, opening, plugin, running, started


async def test_they_subscribe_under_lasting_names_and_answer_in_the_relays_words() -> None:
    answers: list[BaseException | None] = [None, Undeliverable("never again"), TryLater("busy", 7), LookupError("lost")]

    async def hear(_envelope: Any) -> None:
        if (answer := answers.pop(0)) is not None:
            raise answer

    async with running(listener("ears", ["meeting.ended"], hear), max_failures=1) as plugins:
        (subscriber,) = subscribers(plugins)
        assert callable(subscriber.types)
        assert (subscriber.name, subscriber.types()) == ("plugin.ears", frozenset({"meeting.ended"}))
        assert subscriber.deadline_s > 31  # later than the call's own, or the relay would cut it off
        await subscriber.handle(ended())
        with pytest.raises(GiveUpError, match="never again"):
            await subscriber.handle(ended())
        with pytest.raises(TryAgainError, match="busy") as caught:
            await subscriber.handle(ended())
        assert caught.value.after_s == 7
        await subscriber.wait_ready()
        with pytest.raises(TryAgainError, match="lost"):  # a failure is an attempt, also the last one
            await subscriber.handle(ended())
        with pytest.raises(NotTriedError, match="plugin ears is disabled"):
            await subscriber.handle(ended())
        with trio.move_on_after(0.05) as waiting:
            await subscriber.wait_ready()
        assert waiting.cancelled_caught
        await subscriber.handle(started())  # of a type that it does not want: not its business


def _fails(reason: str, groups: tuple[str, ...] = LISTENERS) -> Found:
    def load() -> object:
        raise ImportError(reason)

    return found("ears", load, groups)


async def test_what_could_not_start_is_owed_what_it_was_owed() -> None:
    known = [Known(name="ears", groups=LISTENERS, events=("meeting.ended",))]
    async with running(_fails("no module"), known=known) as plugins:
        assert plugins.listeners() == {"ears": frozenset({"meeting.ended"})}
    async with running(_fails("no module")) as plugins:  # it never ran: whatever there is
        assert plugins.listeners()["ears"] >= {"meeting.ended", "user.registered", "audit.recorded"}
    async with running(enabled=("ears",), known=known) as plugins:  # its package is gone
        assert plugins.listeners() == {"ears": frozenset({"meeting.ended"})}
        assert plugins.notifiers() == []
    async with running(enabled=("ears",)) as plugins:  # nobody ever heard of it
        assert plugins.listeners() == {}


@asynccontextmanager
async def told(
    database_at: Path, clock: Clock, *found_: Found, **more: Any
) -> AsyncIterator[tuple[Plugins, Running, Database]]:
    async with running(*found_, **more) as plugins, relaying(database_at, *subscribers(plugins), clock=clock) as relay:
        yield plugins, relay, relay._database


async def _waiting(database: Database) -> tuple[int, int]:
    """Deliveries that wait, and attempts of all."""

    async def look(conn: Any) -> Any:
        return await conn.fetchrow("SELECT COUNT(*) AS n, COALESCE(SUM(attempts), 0) AS tries FROM deliveries")

    row = await database.read(look)
    return int(row["n"]), int(row["tries"])


async def test_a_plugin_that_fails_at_its_start_loses_no_event_of_that_run(tmp_path: Path) -> None:
    heard: list[str] = []
    clock = Clock()

    async def hear(envelope: Envelope) -> None:
        heard.append(envelope.event.event_type)

    async with told(tmp_path, clock, _fails("broken by an upgrade")) as (_, relay, database):
        await relay.add(started(), ended())

        async def kept() -> bool:
            relay.wake()
            return await _waiting(database) == (2, 0)

        await relay.until(lambda: relay.relay.statistics()["spread"] == 2)
        await _until(kept)
    async with told(tmp_path, clock, listener("ears", ["meeting.ended"], hear)) as (_, relay, database):
        await relay.until(lambda: heard == ["meeting.ended"])

        async def settled() -> bool:
            return await _waiting(database) == (0, 0)  # what it does not want is gone as well

        await _until(settled)


async def _until(condition: Any) -> None:
    from tests.support.waiting import until

    await until(condition)


async def test_a_listener_that_is_off_for_long_loses_nothing_and_goes_on(tmp_path: Path) -> None:
    heard: list[str] = []
    clock = Clock()
    failing = True

    async def hear(envelope: Envelope) -> None:
        if failing:
            raise LookupError("lost")
        heard.append(envelope.id)

    ears = listener("ears", ["meeting.ended"], hear)
    async with told(tmp_path, clock, ears, max_failures=2) as (plugins, relay, database):
        await relay.add(*(ended(number) for number in range(1, 20)))
        while plugins.status("ears").state == "enabled":
            clock.ms += 3_600_000
            relay.wake()
            await trio.sleep(0.01)
        before = await _waiting(database)
        for _ in range(100):  # months
            clock.ms += 86_400_000
            relay.wake()
            await trio.sleep(0.002)
        assert await _waiting(database) == before == (19, 2)
        assert await database.read(outbox.given_up, subscriber=None, after=None, limit=9) == []
        failing = False
        while plugins.status("ears").state != "enabled":
            with trio.move_on_after(0.1):
                try:
                    await plugins.enable("ears")
                except StillRunningError:
                    await trio.sleep(0.02)
        await relay.until(lambda: len(heard) == 19)
        assert heard == [f"evt_{number}" for number in range(1, 20)]


async def test_a_version_that_wants_more_is_told_more_while_the_server_runs(tmp_path: Path) -> None:
    """It could not start with what it was remembered for, and wants something else once it can."""
    heard: list[str] = []
    broken = True

    async def hear(envelope: Envelope) -> None:
        heard.append(envelope.event.event_type)

    def load() -> object:
        if broken:
            raise ImportError("not yet")
        return plugin(opening(EventListener(events=frozenset({"meeting_events"}), on_event=hear)))

    known: Iterable[Known] = [Known(name="ears", groups=LISTENERS, events=("meeting.started",))]
    async with told(tmp_path, Clock(), found("ears", load, LISTENERS), known=known) as (plugins, relay, _):
        await relay.add(ended(1))
        await relay.until(lambda: relay.relay.statistics()["spread"] == 1)
        broken = False
        await plugins.enable("ears")
        await relay.add(ended(2))
        await relay.until(lambda: heard == ["meeting.ended"])
