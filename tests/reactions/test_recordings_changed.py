"""Events of recordings reach those who watch, and no other event does."""

from __future__ import annotations

import trio
import trio.testing

from appliance.bus.live import LiveBus
from appliance.events.catalogue import RecordingFailed, RecordingProcessed, RecordingStarted, UserRegistered
from appliance.events.envelope import envelop
from appliance.reactions.recordings_changed import follow_recordings


async def test_recordings_that_begin_end_or_are_done_are_named() -> None:
    bus = LiveBus()
    changed: list[str] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(follow_recordings, bus, changed.append)
        await trio.testing.wait_all_tasks_blocked()
        for event in (
            RecordingStarted(meeting_id="mtg_m", recording_id="rec_a"),
            UserRegistered(user_id="usr_a", username="a"),
            RecordingProcessed(meeting_id="mtg_m", recording_id="rec_b", duration_ms=1, bytes=1),
            RecordingFailed(meeting_id="mtg_m", recording_id="rec_c", reason="x"),
        ):
            bus.tell(envelop(event, event_id=f"evt_{event.event_type}", at_ms=1))
        await trio.testing.wait_all_tasks_blocked()
        nursery.cancel_scope.cancel()
    assert changed == ["rec_a", "rec_b", "rec_c"]
