"""Transcripts of what participants say: chat, hands, tracks."""

from __future__ import annotations

from pathlib import Path

from appliance.store import messages
from tests.support.live_world import open_world


async def test_chat_is_stored_before_it_is_seen_and_history_pages(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        for number in range(5):
            await ann.says("chat", text=f"line {number}")
            line = await ann.hears("chat")
            stored = await world.database.read(messages.newest, meeting.id, 1)
            assert stored[0].id == line["message"]["message_id"]
        await ann.says("history", after_seq=1, limit=2, ref="h")
        page = await ann.hears("history")
        assert ([m["chat_seq"] for m in page["messages"]], page["more"], page["ref"]) == ([2, 3], True, "h")
        await ann.says("history", after_seq=3)
        page = await ann.hears("history")
        assert ([m["chat_seq"] for m in page["messages"]], page["more"]) == ([4, 5], False)
        late = await world.join(meeting, "Late")
        assert [m["text"] for m in late.welcome["chat"]] == [f"line {n}" for n in range(5)]


async def test_hands_go_up_and_are_lowered(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        bob = await world.join(meeting, "Bob")
        await bob.says("raise_hand", raised=True)
        changed = await ann.hears("participant-changed")
        assert changed["participant"]["hand_raised_at_ms"] > 0
        await ann.says("lower_hand", participant_id=bob.id)
        assert (await ann.hears("participant-changed"))["participant"]["hand_raised_at_ms"] is None
        note = await bob.hears("moderation")
        assert (note["action"], note["by_participant_id"]) == ("hand_lowered", ann.id)
        await bob.says("lower_hand", participant_id=ann.id, ref="x")
        refused = await bob.hears("error")
        assert (refused["code"], refused["ref"]) == ("forbidden", "x")


async def test_mute_is_told_and_enforced_and_outlives_a_negotiation(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        bob = await world.join(meeting, "Bob")
        await ann.offers(seats=2)
        await bob.offers("microphone", "camera")
        await ann.hears("tracks", participant_id=bob.id)
        await bob.says("mute", source="microphone", muted=True)
        tracks = (await ann.hears("tracks"))["tracks"]
        assert [(t["source"], t["muted"]) for t in tracks] == [("microphone", True), ("camera", False)]
        assert world.media.session(ann.id).hears() == {}
        await bob.offers("microphone", "camera", "screen")
        tracks = (await ann.hears("tracks"))["tracks"]
        assert [(t["source"], t["muted"]) for t in tracks] == [
            ("microphone", True), ("camera", False), ("screen", False),
        ]  # fmt: skip
        await bob.says("mute", source="microphone", muted=False)
        await ann.hears("tracks")
        assert world.media.session(ann.id).hears() == {bob.id: "microphone"}

        await ann.says("mute_participant", participant_id=bob.id, source="microphone")
        note = await bob.hears("moderation")
        assert (note["action"], note["source"], note["by_participant_id"]) == ("muted", "microphone", ann.id)
        assert world.media.session(ann.id).hears() == {}
        await bob.offers("camera")  # the microphone goes, and its mute with it
        await bob.offers("microphone", "camera")
        assert world.media.session(bob.id).muted == set()
        await bob.says("mute", source="screen", muted=True, ref="m")
        assert (await bob.hears("error"))["code"] == "not_published"


async def test_a_broken_offer_names_its_field_and_leaves_the_session_as_it_was(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        await ann.offers("microphone", seats=1)
        await ann.says("offer", sdp="garbage", negotiation=2, ref="o2")
        error = await ann.hears("error")
        assert (error["code"], error["field"], error["ref"], error["fatal"]) == ("bad_sdp", "sdp.v", "o2", False)
        assert list(world.media.session(ann.id).tracks) == ["microphone"]
