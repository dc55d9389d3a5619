"""Events are kept with the change, told to each subscriber once and in order, and tried again apart."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.events.catalogue import MeetingEnded, MeetingStarted, MeetingUserJoined, UserRegistered
from appliance.events.envelope import Envelope, envelop
from appliance.store import outbox
from appliance.store.database import Conn, Database, DatabaseError
from appliance.store.outbox import Failure, ReactionFailedError
from tests.support.databases import open_test_database

STARTED, JOINED, ENDED, REGISTERED = "meeting.started", "meeting.user_joined", "meeting.ended", "user.registered"


def event(number: int, meeting: str = "mtg_a", at_ms: int | None = None, kind: str = JOINED) -> Envelope:
    told: Any
    match kind:
        case "meeting.started":
            told = MeetingStarted(meeting_id=meeting, title="x")
        case "meeting.ended":
            told = MeetingEnded(meeting_id=meeting, title="x", reason="ended")
        case "user.registered":
            told = UserRegistered(user_id=meeting, username="ana")
        case _:
            told = MeetingUserJoined(meeting_id=meeting, participant_id=f"prt_{number}", name="Ana")
    return envelop(told, event_id=f"evt_{number}", at_ms=1000 + number if at_ms is None else at_ms)


def ids(found: Any) -> list[str]:
    return [getattr(one, "envelope", one).id for one in found]


async def spread(database: Database, now_ms: int = 2000, **subscribers: set[str]) -> list[str]:
    return ids((await database.run(outbox.spread, subscribers, now_ms, 100)).envelopes)


async def claim(database: Database, name: str, now_ms: int = 2000, limit: int = 100) -> list[str]:
    return ids(await database.run(outbox.claim, name, now_ms, now_ms + 60_000, limit))


async def settle(
    database: Database, name: str, told: list[str], failed: Any = (), released: Any = (), now_ms: int = 2000
) -> None:
    await database.run(outbox.settle, name, told, failed, released, now_ms)


async def given_up(database: Database, subscriber: str | None = None, limit: int = 10, after: Any = None) -> Any:
    return await database.read(outbox.given_up, subscriber=subscriber, after=after, limit=limit)


async def test_an_event_is_kept_with_its_change_or_not_at_all(engine: str | Path) -> None:
    async def change(conn: Conn, fails: bool) -> None:
        await outbox.add(conn, event(1))
        if fails:
            raise RuntimeError("the change failed")

    async with open_test_database(engine) as database:
        with pytest.raises(RuntimeError):
            await database.run(change, True)
        assert await spread(database, mail={JOINED}) == []
        await database.run(change, False)
        assert await spread(database, mail={JOINED}) == ["evt_1"]
        assert await spread(database, mail={JOINED}) == []


async def test_each_subscriber_gets_its_types_in_order_and_once(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(outbox.add, event(1, kind=STARTED), event(2), event(3, kind=ENDED))
        await database.run(outbox.add, event(4, "usr_a", at_ms=900, kind=REGISTERED))
        assert await spread(database, mail={REGISTERED, ENDED}, rooms={STARTED, JOINED, ENDED}) == [
            "evt_4", "evt_1", "evt_2", "evt_3",
        ]  # fmt: skip
        assert await claim(database, "mail") == ["evt_4", "evt_3"]
        assert await claim(database, "rooms", limit=2) == ["evt_1", "evt_2"]
        assert await claim(database, "rooms") == []  # the third waits for those that are being told
        await settle(database, "rooms", ["evt_1", "evt_2"])
        assert await claim(database, "rooms") == ["evt_3"]
        await settle(database, "rooms", ["evt_3"])
        await settle(database, "mail", ["evt_4", "evt_3"])
        assert await database.read(outbox.statistics) == {"events": 4, "waiting": 0, "given_up": 0}


async def test_a_failure_holds_back_its_own_meeting_for_its_own_subscriber(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(outbox.add, event(1), event(2), event(3, "mtg_b"))
        await spread(database, mail={JOINED}, rooms={JOINED})
        assert await claim(database, "mail") == ["evt_1", "evt_2", "evt_3"]
        await settle(database, "mail", ["evt_3"], [Failure(event_id="evt_1", error="no", due_at_ms=5000)], ["evt_2"])
        assert await claim(database, "rooms") == ["evt_1", "evt_2", "evt_3"]
        assert await claim(database, "mail", now_ms=4999) == []
        assert await database.read(outbox.next_due_ms, "mail", 4999) == 5000  # the second is due, and held back
        again = await database.run(outbox.claim, "mail", 5000, 65_000, 100)
        assert [(d.envelope.id, d.attempts) for d in again] == [("evt_1", 1), ("evt_2", 0)]
        # given up, it stands in nobody's way
        failure = Failure(event_id="evt_1", error="never", due_at_ms=None)
        await settle(database, "mail", [], [failure], ["evt_2"], now_ms=6000)
        assert await claim(database, "mail", now_ms=6000) == ["evt_2"]
        (dead,) = await given_up(database)
        assert (dead.event_id, dead.subscriber, dead.attempts, dead.error) == ("evt_1", "mail", 2, "never")
        assert (dead.type, dead.event["participant_id"], dead.given_up_at_ms) == (JOINED, "prt_1", 6000)
        # and it can be sent again, with all its attempts, in its order
        assert not await database.run(outbox.send_again, "mail", "evt_2", 7000)
        assert not await database.run(outbox.send_again, "rooms", "evt_1", 7000)
        assert await database.run(outbox.send_again, "mail", "evt_1", 7000)
        assert not await database.run(outbox.send_again, "mail", "evt_1", 7000)
        again = await database.run(outbox.claim, "mail", 7000, 65_000, 100)
        assert [(d.envelope.id, d.attempts) for d in again] == [("evt_1", 0)]
        assert await given_up(database) == []


async def test_who_died_while_telling_is_taken_over(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(outbox.add, event(1), event(2))
        await spread(database, mail={JOINED})
        assert await claim(database, "mail", limit=1) == ["evt_1"]
        assert await claim(database, "mail", now_ms=61_999) == []
        assert await claim(database, "mail", now_ms=62_000) == ["evt_1", "evt_2"]


async def test_a_reaction_and_that_it_was_told_are_one_transaction(engine: str | Path) -> None:
    seen: list[str] = []

    async def register_again(conn: Conn, envelope: Envelope) -> None:
        seen.append(envelope.id)
        await outbox.add(conn, event(100 + len(seen), "usr_x", kind=REGISTERED))
        if envelope.id == "evt_2" and len(seen) < 3:
            raise ValueError("not yet")

    async with open_test_database(engine) as database:
        await database.run(outbox.add, event(1), event(2))
        await spread(database, reaction={JOINED})
        with pytest.raises(ReactionFailedError) as failed:
            await database.run(outbox.react, "reaction", register_again, 2000, 100)
        assert failed.value.event_id == "evt_2" and isinstance(failed.value.__cause__, ValueError)
        assert await database.read(outbox.statistics) == {"events": 2, "waiting": 2, "given_up": 0}
        assert await database.run(outbox.react, "reaction", register_again, 2000, 100) == 2
        assert await database.read(outbox.statistics) == {"events": 4, "waiting": 0, "given_up": 0}


async def test_a_clock_that_was_set_back_does_not_turn_the_order_round(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(outbox.add, event(1, at_ms=5000))
        await database.run(outbox.add, event(2, at_ms=1000))
        assert await spread(database, mail={JOINED}) == ["evt_1", "evt_2"]
        assert await claim(database, "mail", now_ms=9000) == ["evt_1", "evt_2"]


async def test_what_was_given_up_is_paged(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(outbox.add, *(event(number) for number in range(1, 6)))
        await spread(database, mail={JOINED}, rooms={JOINED})
        for name in ("mail", "rooms"):
            failed = [Failure(event_id=f"evt_{number}", error="no", due_at_ms=None) for number in range(1, 6)]
            await settle(database, name, [], failed, now_ms=3000)
        found: list[tuple[str, str]] = []
        after: tuple[int, str] | None = None
        while page := await given_up(database, limit=3, after=after):
            found += [(one.event_id, one.subscriber) for one in page]
            after = page[-1].cursor
        assert len(found) == len(set(found)) == 10
        assert [one.subscriber for one in await given_up(database, "rooms")] == ["rooms"] * 5


async def _newer(conn: Conn, event_id: str, change: str) -> None:
    await conn.execute(f"UPDATE events SET {change} WHERE id = $1", event_id)


async def test_events_of_types_that_only_a_newer_program_knows_stay_for_it(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(outbox.add, *(event(number) for number in range(1, 41)))
        for number in range(1, 31):  # more than a batch, and before the others of the meeting
            await database.run(_newer, f"evt_{number}", "type = 'meeting.teleported'")
        found = await database.run(outbox.spread, {"mail": {JOINED, "meeting.teleported"}}, 2000, 20)
        assert ids(found.envelopes) == [f"evt_{number}" for number in range(31, 41)] and found.events == 10
        assert found.unknown[:2] == ["evt_1", "evt_2"] and len(found.unknown) == 20
        assert await claim(database, "mail", limit=3) == ["evt_31", "evt_32", "evt_33"]
        await settle(database, "mail", ["evt_31", "evt_32", "evt_33"])
        # one that a newer program beside us has spread to the same subscriber stands in nobody's way either
        await database.run(_deliver, "mail", "evt_1")
        assert await claim(database, "mail", limit=1) == ["evt_34"]
        # an upgrade finds them
        for number in range(1, 31):
            await database.run(_newer, f"evt_{number}", f"type = '{JOINED}'")
        assert len(await spread(database, mail={JOINED})) == 30


async def _deliver(conn: Conn, subscriber: str, event_id: str) -> None:
    await conn.execute(
        "INSERT INTO deliveries (event_id, subscriber, order_key, n, attempts, due_at_ms)"
        " SELECT id, $1, order_key, n, 0, 0 FROM events WHERE id = $2",
        subscriber,
        event_id,
    )


@pytest.mark.parametrize(
    "envelope", ['{"v": 2}', '{"v":1,"id":"evt_1","topic":"x","at_ms":1,"event":{"type":"?"}}', "[]"]
)
async def test_what_cannot_be_read_is_given_up_where_people_see_it(engine: str | Path, envelope: str) -> None:
    async with open_test_database(engine) as database:
        await database.run(outbox.add, event(1), event(2))
        good = await database.read(_envelope_of, "evt_1")
        await database.run(_newer, "evt_1", f"envelope = '{envelope}'")
        found = await database.run(outbox.spread, {"mail": {JOINED}}, 2000, 100)
        assert (ids(found.envelopes), found.unknown, found.events) == (["evt_2"], ["evt_1"], 2)
        assert await claim(database, "mail") == ["evt_2"]
        (dead,) = await given_up(database)
        assert (dead.event_id, dead.type) == ("evt_1", JOINED)
        assert dead.error.startswith("this version cannot read the event: ")
        await database.run(_newer, "evt_1", f"envelope = '{good}'")
        await database.run(outbox.send_again, "mail", "evt_1", 3000)
        assert await claim(database, "mail", now_ms=3000) == ["evt_1"]


async def _envelope_of(conn: Conn, event_id: str) -> str:
    return str(await conn.fetchval("SELECT envelope FROM events WHERE id = $1", event_id))


async def test_events_that_nobody_knows_are_forgotten_with_their_time(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(outbox.add, event(1), event(2, at_ms=9000))
        for event_id in ("evt_1", "evt_2"):
            await database.run(_newer, event_id, "type = 'meeting.teleported'")
        await database.run(_deliver, "mail", "evt_1")
        assert await database.run(outbox.forget, {"mail"}, 5000) == 1
        assert (await database.read(outbox.statistics))["events"] == 1


async def test_old_events_are_forgotten_once_everybody_was_told(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(outbox.add, event(1), event(2, "mtg_b"), event(3, "mtg_c", at_ms=9000))
        await spread(database, mail={JOINED}, gone={JOINED})
        await settle(database, "mail", ["evt_1"])
        # "gone" is a subscriber of a former configuration: it is owed nothing any more
        assert await database.run(outbox.forget, {"mail"}, 5000) == 1
        assert await claim(database, "mail", now_ms=9000) == ["evt_2", "evt_3"]
        assert await database.run(outbox.forget, {"mail", "gone"}, 9001) == 0


async def test_an_id_is_kept_once(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(outbox.add, event(1))
        with pytest.raises(DatabaseError):
            await database.run(outbox.add, event(1, "mtg_b"))


async def test_a_meeting_that_many_change_at_once_keeps_its_order(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        async with trio.open_nursery() as nursery:
            for number in range(8):
                nursery.start_soon(database.run, outbox.add, event(number))
        assert len(await spread(database, mail={JOINED})) == 8
        numbers = [row["n"] for row in await database.read(_numbers)]
        assert numbers == list(range(1, 9))


async def _numbers(conn: Conn) -> Any:
    return await conn.fetch("SELECT n FROM events ORDER BY n")


async def test_a_start_gives_back_what_a_killed_server_had_claimed(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(outbox.add, event(1), event(2, "mtg_b"), event(3, "mtg_c"))
        await spread(database, mail={JOINED})
        assert await claim(database, "mail", limit=2) == ["evt_1", "evt_2"]
        await settle(database, "mail", [], [Failure(event_id="evt_2", error="no", due_at_ms=9000)])
        await database.run(outbox.release_all, 2001)
        assert await claim(database, "mail", now_ms=2001) == ["evt_1", "evt_3"]  # the second keeps its pause
