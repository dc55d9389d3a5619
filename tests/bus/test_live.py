"""Who listens hears what it asked for; who is slow loses the oldest, and it is counted."""

from __future__ import annotations

import trio
import trio.testing

from appliance.bus.live import _MAX_WAITING, LiveBus
from appliance.events.catalogue import MeetingStarted, UserRegistered
from appliance.events.envelope import Envelope, envelop


def started(number: int) -> Envelope:
    return envelop(MeetingStarted(meeting_id=f"mtg_{number}", title="x"), event_id=f"evt_{number}", at_ms=number)


async def test_listeners_hear_their_types_in_order() -> None:
    bus = LiveBus()
    heard: list[str] = []
    with bus.listen({"meeting.started"}) as listener, bus.listen({"user.registered"}) as other:
        async with trio.open_nursery() as nursery:

            async def hear() -> None:
                async for envelope in listener:
                    heard.append(envelope.id)
                    if len(heard) == 3:
                        nursery.cancel_scope.cancel()

            nursery.start_soon(hear)
            bus.tell(started(1))
            await trio.testing.wait_all_tasks_blocked()
            bus.tell(envelop(UserRegistered(user_id="usr_a", username="a"), event_id="evt_u", at_ms=0))
            bus.tell(started(2))
            bus.tell(started(3))
        assert heard == ["evt_1", "evt_2", "evt_3"]
        async for envelope in other:
            assert envelope.id == "evt_u"
            break
    bus.tell(started(4))
    assert bus.statistics() == {"listeners": 0, "told": 5, "missed": 0}


async def test_a_slow_listener_loses_the_oldest_and_it_is_counted() -> None:
    bus = LiveBus()
    with bus.listen({"meeting.started"}) as listener:
        for number in range(_MAX_WAITING + 2):
            bus.tell(started(number))
        async for envelope in listener:
            assert envelope.id == "evt_2"
            break
        assert listener.missed == 2 == bus.statistics()["missed"]
