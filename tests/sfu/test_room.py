"""A room's events and its end."""

from __future__ import annotations

import pytest
import trio

from appliance.sfu import room as room_module
from appliance.sfu.events import SessionConnected, Speakers
from tests.support.sfu_bench import sfu_bench


def test_fleeting_events_give_way_when_the_owner_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room_module, "_MAX_EVENTS", 8)

    async def main() -> None:
        async with sfu_bench() as b:
            room = b.sfu.open_room("slow")
            session = room.open_session("ann")
            for _ in range(20):
                room.emit(Speakers((), None))
            assert room.statistics()["events_waiting"] == 5
            for _ in range(3):
                room.emit(SessionConnected(session))
            assert room.statistics() == {"sessions": 1, "events_waiting": 8, "events_dropped": 15}
            room.emit(SessionConnected(session))
            assert room.statistics()["events_dropped"] == 16
            await room.close()

    trio.run(main)


def test_closing_a_room_ends_its_events_and_its_sessions() -> None:
    async def main() -> None:
        async with sfu_bench() as b:
            room = b.sfu.open_room("short")
            session = room.open_session("ann")
            room.emit(SessionConnected(session))
            await room.close()
            assert [event async for event in room.events] == [SessionConnected(session)]
            room.emit(Speakers((), None))
            assert not room.sessions
            with pytest.raises(RuntimeError, match="closed"):
                room.open_session("bob")

    trio.run(main)
