"""The relay on a real outbox: everybody is told, failures stay apart, a crash loses nothing."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.bus.live import LiveBus
from appliance.bus.relay import GiveUpError, NotTriedError, OutboxAwayError, Reaction, Relay, Subscriber, TryAgainError
from appliance.events.catalogue import MeetingStarted, MeetingUserJoined
from appliance.events.envelope import Envelope, envelop
from appliance.reactions.outbox import StoredOutbox
from appliance.store import outbox
from appliance.store.database import Conn, Database
from tests.support.databases import open_test_database
from tests.support.waiting import until

TYPES = frozenset({"meeting.started", "meeting.user_joined"})


class Clock:
    """Wall clock of the relay; a test moves it."""

    ms = 1_000_000

    def __call__(self) -> int:
        return self.ms


class Waker:
    """Wakes when asked to."""

    def __init__(self) -> None:
        self._event = trio.Event()

    def wake(self) -> None:
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event = trio.Event()


def joined(number: int, meeting: str = "mtg_a") -> Envelope:
    event = MeetingUserJoined(meeting_id=meeting, participant_id=f"prt_{number}", name="Ana")
    return envelop(event, event_id=f"evt_{number}", at_ms=Clock.ms - 1000 + number)


class Running:
    """A relay at work, and what wakes it."""

    def __init__(self, relay: Relay, added: Waker, spread: Waker, database: Database) -> None:
        self.relay, self._added, self._spread, self._database = relay, added, spread, database

    async def add(self, *envelopes: Envelope) -> None:
        await self._database.run(outbox.add, *envelopes)
        self._added.wake()

    def wake(self) -> None:
        """As commits, another node, or time that passes, would."""
        self._added.wake()
        self._spread.wake()

    async def until(self, condition: Callable[[], object]) -> None:
        def look() -> object:
            self.wake()
            return condition()

        await until(look)


@asynccontextmanager
async def relaying(
    engine: str | Path, *subscribers: Subscriber | Reaction, clock: Clock | None = None, bus: LiveBus | None = None
) -> AsyncIterator[Running]:
    live = bus or LiveBus()
    now_ms = clock or Clock()

    async def tell(envelope: Envelope) -> None:
        live.tell(envelope)

    async with open_test_database(engine) as database, trio.open_nursery() as nursery:
        uniform = random.Random(1).uniform
        relay = Relay(
            outbox=StoredOutbox(database, now_ms), subscribers=subscribers, tell=tell, now_ms=now_ms, uniform=uniform
        )
        added, spread = Waker(), Waker()
        nursery.start_soon(relay.serve, added, spread)
        yield Running(relay, added, spread, database)
        nursery.cancel_scope.cancel()


def collecting(name: str, into: list[str], **options: Any) -> Subscriber:
    async def handle(envelope: Envelope) -> None:
        into.append(envelope.id)

    return Subscriber(name=name, types=TYPES, handle=handle, **options)


async def test_everybody_is_told_in_order_and_listeners_too(engine: str | Path) -> None:
    one: list[str] = []
    two: list[str] = []
    written: list[str] = []

    async def write(conn: Conn, envelope: Envelope) -> None:
        await conn.fetchval("SELECT COUNT(*) FROM events")
        written.append(envelope.id)  # again, when the transaction lost against another one

    bus = LiveBus()
    reaction = Reaction(name="writes", types=TYPES, react=write)
    with bus.listen(TYPES) as listener:
        async with relaying(engine, collecting("one", one), collecting("two", two), reaction, bus=bus) as running:
            await running.add(joined(1), joined(2))
            await running.add(joined(3))
            expected = ["evt_1", "evt_2", "evt_3"]
            await running.until(lambda: one == two == list(dict.fromkeys(written)) == expected)
            assert [(await listener.__anext__()).id for _ in expected] == expected
            await running.until(lambda: running.relay.statistics()["subscribers"]["one"]["told"] == 3)


async def test_a_failing_subscriber_holds_up_one_meeting_of_its_own(engine: str | Path) -> None:
    clock = Clock()
    told: list[str] = []
    tries: list[str] = []

    async def handle(envelope: Envelope) -> None:
        tries.append(envelope.id)
        if envelope.id == "evt_1" and tries.count("evt_1") < 3:
            raise OSError("the mail server is away")

    failing = Subscriber(name="failing", types=TYPES, handle=handle)
    async with relaying(engine, failing, collecting("fine", told), clock=clock) as running:
        await running.add(joined(1), joined(2), joined(3, "mtg_b"))
        await running.until(lambda: told == ["evt_1", "evt_2", "evt_3"] and "evt_3" in tries)
        assert tries == ["evt_1", "evt_3"]
        for attempt in (2, 3):
            clock.ms += 10_000
            await running.until(lambda attempt=attempt: tries.count("evt_1") == attempt)  # type: ignore[misc]
        await running.until(lambda: running.relay.statistics()["subscribers"]["failing"]["told"] == 3)
        assert tries == ["evt_1", "evt_3", "evt_1", "evt_1", "evt_2"]
        counts = running.relay.statistics()["subscribers"]["failing"]
        assert (counts["told"], counts["failures"], counts["given_up"]) == (3, 2, 0)
        assert counts["last_error"] == "OSError: the mail server is away"


async def test_what_is_refused_for_good_is_given_up_at_once_and_seen(tmp_path: Path) -> None:
    told: list[str] = []

    async def handle(envelope: Envelope) -> None:
        if envelope.id == "evt_1":
            raise GiveUpError("that address is gone")
        told.append(envelope.id)

    async with relaying(tmp_path, Subscriber(name="strict", types=TYPES, handle=handle)) as running:
        await running.add(joined(1), joined(2))
        await running.until(lambda: told == ["evt_2"])
        (kept,) = await running._database.read(outbox.given_up, subscriber=None, after=None, limit=9)
        assert (kept.event_id, kept.attempts, kept.error) == ("evt_1", 1, "GiveUpError: that address is gone")


async def test_a_hanging_subscriber_is_cut_off_at_its_deadline(engine: str | Path) -> None:
    told: list[str] = []

    async def hang(envelope: Envelope) -> None:
        await trio.sleep_forever()

    subscriber = Subscriber(name="hangs", types=TYPES, handle=hang, deadline_s=0.05)
    async with relaying(engine, subscriber, collecting("fine", told)) as running:
        await running.add(joined(1))
        await running.until(lambda: running.relay.statistics()["subscribers"]["hangs"]["failures"] == 1)
        assert "longer than 0.05 s" in running.relay.statistics()["subscribers"]["hangs"]["last_error"]
        await running.until(lambda: told == ["evt_1"])


async def test_who_is_not_there_is_waited_for_without_counting(engine: str | Path) -> None:
    there = trio.Event()
    asked: list[str] = []

    async def handle(envelope: Envelope) -> None:
        asked.append(envelope.id)
        if not there.is_set():
            raise NotTriedError("it has just gone")

    async def ready() -> None:
        if asked:
            await there.wait()

    subscriber = Subscriber(name="ears", types=lambda: TYPES, handle=handle, wait_ready=ready)
    clock = Clock()
    async with relaying(engine, subscriber, clock=clock) as running:
        await running.add(joined(1), joined(2), joined(3, "mtg_b"))
        await running.until(lambda: asked)
        clock.ms += 86_400_000
        running.wake()
        await trio.sleep(0.05)
        assert asked == ["evt_1"]
        counts = running.relay.statistics()["subscribers"]["ears"]
        assert (counts["told"], counts["failures"]) == (0, 0)
        there.set()
        await running.until(lambda: counts["told"] == 3)
        assert asked == ["evt_1", "evt_1", "evt_2", "evt_3"]


@pytest.mark.parametrize(("asked_s", "waited_s"), [(None, 0.5), (0.0, 0.5), (90.0, 90.0), (1e9, 3600.0)])
async def test_who_asks_for_a_pause_gets_it_within_reason(
    engine: str | Path, asked_s: float | None, waited_s: float
) -> None:
    tries: list[str] = []

    async def handle(envelope: Envelope) -> None:
        tries.append(envelope.id)
        raise TryAgainError("busy", asked_s)

    clock = Clock()
    async with relaying(engine, Subscriber(name="busy", types=TYPES, handle=handle), clock=clock) as running:
        await running.add(joined(1))

        async def look(conn: Conn) -> int | None:
            due_ms: int | None = await conn.fetchval("SELECT due_at_ms FROM deliveries WHERE attempts = 1")
            return due_ms

        async def failed() -> int | None:
            running.wake()
            return await running._database.read(look)

        found = await until(failed)
        assert waited_s <= (found - clock.ms) / 1000 <= max(1.0, waited_s)


async def test_a_reaction_that_raises_leaves_nothing_and_is_tried_again(engine: str | Path) -> None:
    clock = Clock()
    tries: list[str] = []

    async def react(conn: Conn, envelope: Envelope) -> None:
        tries.append(envelope.id)
        started = MeetingStarted(meeting_id=f"of_{envelope.id}", title="x")
        await outbox.add(conn, envelop(started, event_id=f"evt_of_{envelope.id}", at_ms=clock.ms))
        if envelope.id == "evt_1" and clock.ms == Clock.ms:  # not by tries: a transaction that lost runs again
            raise ValueError("not yet")

    reaction = Reaction(name="writes", types=frozenset({"meeting.user_joined"}), react=react)
    heard: list[str] = []
    async with relaying(engine, reaction, collecting("all", heard), clock=clock) as running:
        await running.add(joined(1), joined(2, "mtg_b"))
        await running.until(lambda: "evt_of_evt_2" in heard)
        assert "evt_of_evt_1" not in heard
        clock.ms += 5_000
        await running.until(lambda: "evt_of_evt_1" in heard)
        assert running.relay.statistics()["subscribers"]["writes"]["told"] == 2


async def test_who_is_cancelled_while_telling_tells_again(engine: str | Path) -> None:
    tries: list[str] = []
    blocked = trio.Event()

    async def handle(envelope: Envelope) -> None:
        tries.append(envelope.id)
        if len(tries) == 2:
            blocked.set()
            await trio.sleep_forever()

    subscriber = Subscriber(name="mail", types=TYPES, handle=handle)
    async with relaying(engine, subscriber) as running:
        await running.add(joined(1), joined(2), joined(3))
        await blocked.wait()
    async with relaying(engine, subscriber) as running:
        await running.until(lambda: len(tries) == 4)
    assert tries == ["evt_1", "evt_2", "evt_2", "evt_3"]


async def test_while_the_database_is_away_nothing_is_lost() -> None:
    class Away:
        """An outbox that comes back at the third call."""

        calls = 0

        async def spread(self, subscribers: Any, limit: int) -> Any:
            await trio.lowlevel.checkpoint()
            self.calls += 1
            if self.calls < 3:
                raise OutboxAwayError("no connection")
            return outbox.Spread(envelopes=[joined(1)] if self.calls == 3 else [], unknown=[], events=self.calls == 3)

        async def claim(self, subscriber: str, for_s: float, limit: int) -> Sequence[Any]:
            raise OutboxAwayError("no connection")

        async def settle(self, *_: Any) -> None: ...
        async def react(self, *_: Any) -> int:
            return 0

        async def next_due_ms(self, subscriber: str) -> int | None:
            return None

    heard: list[str] = []

    async def tell(envelope: Envelope) -> None:
        heard.append(envelope.id)

    clock = Clock()
    relay = Relay(
        outbox=Away(),
        subscribers=[collecting("mail", [])],
        tell=tell,
        now_ms=clock,
        uniform=random.Random(1).uniform,
    )
    async with trio.open_nursery() as nursery:
        nursery.start_soon(relay.serve, Waker(), Waker())
        await until(lambda: heard)
        nursery.cancel_scope.cancel()
    assert heard == ["evt_1"]


def test_two_subscribers_must_differ() -> None:
    with pytest.raises(ValueError, match="same name"):
        Relay(outbox=None, subscribers=[collecting("a", []), collecting("a", [])], tell=None, now_ms=Clock(), uniform=None)  # type: ignore[arg-type]  # noqa: E501
