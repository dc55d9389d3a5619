"""Transcripts of what follows from events: rows, closed media, frames that are the same for all."""

from __future__ import annotations

from pathlib import Path

from appliance.store import participants
from tests.support.live_world import open_world


async def test_rows_follow_what_happens(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        guest = await world.join(meeting, "Gus", token=world.token(meeting, "gst_gus", "Gus"))
        await ann.says("set_role", participant_id=guest.id, role="cohost")
        await guest.hears("moderation")
        await ann.says("lock_meeting", locked=True)
        await ann.hears("room-changed")
        await world.quiet()
        row = await world.database.read(participants.by_id, meeting.id, guest.id)
        assert row is not None
        assert (row.user_id, row.guest_id, row.role, row.left_at_ms) == (None, "gst_gus", "cohost", None)
        member = await world.database.read(participants.member, meeting.id, "gst_gus")
        assert member is not None
        assert member.role == "cohost"
        assert (await world.row(meeting)).locked is True


async def test_who_leaves_is_unbound_everywhere_and_closed(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        bob = await world.join(meeting, "Bob")
        await ann.offers(seats=2)
        await bob.offers("microphone", "camera")
        media = world.media.session(bob.id)
        await ann.hears("seats", seats=[
            {"seat": 0, "participant_id": bob.id, "source": "camera", "audio": True, "video": True},
            {"seat": 1, "participant_id": None, "source": "camera", "audio": False, "video": False},
        ])  # fmt: skip
        await bob.says("leave")
        await bob.hears_the_end()
        await ann.catch_up()
        assert media.closed
        assert world.media.session(ann.id).bound[0] == (None, None)


async def test_a_broadcast_differs_only_in_its_number(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        bob = await world.join(meeting, "Bob")
        await ann.says("raise_hand", raised=True)
        at_ann, at_bob = await ann.hears("participant-changed"), await bob.hears("participant-changed")
        assert (at_ann.pop("seq"), at_bob.pop("seq")) == (3, 2)
        assert at_ann == at_bob
        statistics = world.live.statistics()["rooms"][meeting.id]  # type: ignore[index]
        assert (statistics["participants"], statistics["reconnecting"]) == (2, 0)
        assert set(statistics["connections"]) == {ann.id, bob.id}
        assert {"rtt_ms", "downlink_loss", "estimate_bps"} <= set(statistics["connections"][bob.id])
