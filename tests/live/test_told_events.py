"""What happens in a room is an event, in the transaction of its row."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from appliance.events.envelope import decode
from appliance.sfu.events import SessionConnected, SessionLost
from appliance.store.database import Conn
from tests.support.live_world import open_world, world_settings


async def _told(conn: Conn) -> list[Any]:
    rows = await conn.fetch("SELECT envelope FROM events ORDER BY n")
    return [decode(row["envelope"]).event for row in rows]


async def test_coming_going_and_the_end_are_told_in_order(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        bob = await world.join(meeting, "Bob")
        await bob.says("leave")
        await bob.hears_the_end()
        await ann.says("end_meeting")
        await ann.hears_the_end()
        await world.until(lambda: world.live.statistics()["meetings"] == 0)
        events = await world.database.read(_told)
        told = [(event.event_type, getattr(event, "name", None), getattr(event, "reason", None)) for event in events]
        assert told == [
            ("meeting.started", None, None),
            ("meeting.user_joined", "Ann", None),
            ("meeting.user_joined", "Bob", None),
            ("meeting.user_left", "Bob", "left"),
            ("meeting.user_left", "Ann", "ended"),
            ("meeting.ended", None, "ended"),
        ]


async def test_a_meeting_that_everybody_left_has_ended_for_now(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=world_settings(tmp_path, meetings={"empty_grace_s": 0.05})) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        await ann.says("leave")
        await ann.hears_the_end()
        await world.until(lambda: world.live.statistics()["meetings"] == 0)
        last = (await world.database.read(_told))[-1]
        assert (last.event_type, last.reason, last.meeting_id) == ("meeting.ended", "empty", meeting.id)


async def test_media_connections_are_told(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        room = world.media.rooms[meeting.id]
        (session,) = room.sessions
        room.emit(SessionConnected(session))
        room.emit(SessionLost(session, "no answer for 30 s"))
        await ann.says("leave")
        await ann.hears_the_end()
        await world.quiet()
        found = [event for event in await world.database.read(_told) if event.topic == "signaling_events"]
        assert [event.event_type for event in found] == [
            "webrtc.connection_established", "webrtc.connection_closed",
        ]  # fmt: skip
        assert found[1].reason == "no answer for 30 s" and found[1].participant_id == ann.id
