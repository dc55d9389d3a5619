"""Transcripts of a meeting from its first join to its end, and of its clocks."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.sfu.events import LayersWanted
from appliance.store import participants
from tests.support.live_world import open_world, world_settings


async def test_two_people_meet_talk_and_part(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        assert ann.welcome["seq"] == 1
        assert [p["name"] for p in ann.welcome["room"]["participants"]] == ["Ann"]
        assert ann.welcome["need_media"] == {"seats": 2, "audio_seats": 0}
        assert ann.welcome["chat"] == []

        bob = await world.join(meeting, "Bob")
        assert [p["name"] for p in bob.welcome["room"]["participants"]] == ["Ann", "Bob"]
        came = await ann.hears("user-joined")
        assert (came["participant"]["name"], came["participant"]["role"]) == ("Bob", "participant")

        await bob.says("chat", text="hello", ref="c1")
        mine = await bob.hears("chat")
        assert (mine["ref"], mine["message"]["chat_seq"], mine["message"]["text"]) == ("c1", 1, "hello")
        theirs = await ann.hears("chat")
        assert theirs["message"] == mine["message"]
        assert theirs["ref"] is None

        await bob.says("leave")
        assert await bob.hears_the_end() == 1000
        assert (await ann.hears("user-left")) == {
            "seq": ann.last_seq, "type": "user-left", "participant_id": bob.id, "reason": "left",
        }  # fmt: skip
        await world.quiet()
        kept = await world.database.read(participants.by_id, meeting.id, bob.id)
        assert kept is not None
        assert (kept.name, kept.leave_reason) == ("Bob", "left")
        assert (await world.row(meeting)).status == "active"


async def test_a_meeting_that_is_empty_is_closed_and_starts_again(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=world_settings(tmp_path, meetings={"empty_grace_s": 0.05})) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        await ann.says("chat", text="first")
        await ann.hears("chat")
        await ann.says("leave")
        assert await ann.hears_the_end() == 1000
        await world.until(lambda: not world.media.rooms and world.live.statistics()["meetings"] == 0)
        assert (await world.row(meeting)).status == "scheduled"
        again = await world.join(meeting, "Ann", "host")
        assert [m["text"] for m in again.welcome["chat"]] == ["first"]
        await again.says("chat", text="second")
        assert (await again.hears("chat"))["message"]["chat_seq"] == 2
        assert (await world.row(meeting)).status == "active"


@pytest.mark.slow
async def test_quality_is_told_when_a_score_changes(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        await ann.offers("microphone")
        first = await ann.hears("quality")
        assert first["participants"] == [
            {"participant_id": ann.id, "score": 4, "uplink_loss": 0.0, "downlink_loss": 0.0, "rtt_ms": 20}
        ]
        assert "seq" not in first


async def test_a_publisher_is_told_which_layers_somebody_watches_and_again_when_it_resumes(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=world_settings(tmp_path, resume_s=5.0)) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        bob = await world.join(meeting, "Bob")
        session = world.media.session(ann.id)
        off = LayersWanted(session, "camera", (("q", True), ("h", False)))  # type: ignore[arg-type]  # stands in
        session.room.emit(off)
        told = await ann.hears("publish_layers")
        seq = told.pop("seq")
        assert told == {
            "type": "publish_layers",
            "source": "camera",
            "layers": [{"rid": "q", "active": True}, {"rid": "h", "active": False}],
        }
        await bob.hears_nothing_of("publish_layers")
        again = await world.resume(ann, last_seq=seq - 1)
        assert await again.hears("publish_layers") == {"seq": seq, **told}
