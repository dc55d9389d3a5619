"""Transcripts of meetings: several clients, one real database, no packets."""

from __future__ import annotations

import json
from pathlib import Path

from appliance.store import messages, participants
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


async def test_seats_fill_without_renegotiation_and_more_are_asked_for(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        await ann.offers(seats=2)
        assert [s["participant_id"] for s in (await ann.hears("seats"))["seats"]] == [None, None]

        bob = await world.join(meeting, "Bob")
        await bob.offers("microphone", "camera", seats=2)
        seats = (await ann.hears("seats"))["seats"]
        assert seats[0] == {"seat": 0, "participant_id": bob.id, "source": "camera", "audio": True, "video": True}
        mine = world.media.session(ann.id)
        assert mine.hears() == {bob.id: "microphone"}
        assert mine.sees() == {bob.id: "camera"}

        cat = await world.join(meeting, "Cat")
        await cat.offers("microphone", "camera")
        assert [s["participant_id"] for s in (await ann.hears("seats"))["seats"]] == [bob.id, cat.id]
        dan = await world.join(meeting, "Dan")
        await dan.offers("microphone")
        assert (await ann.hears("need_media"))["need"] == {"seats": 4, "audio_seats": 0}
        await ann.offers(seats=4)
        seats = (await ann.hears("seats"))["seats"]
        assert [s["participant_id"] for s in seats] == [bob.id, cat.id, dan.id, None]
        assert mine.hears() == dict.fromkeys((bob.id, cat.id, dan.id), "microphone")

        await ann.says("subscribe", videos=[{"participant_id": cat.id, "width": 640, "height": 360, "max_fps": 15}])
        seats = (await ann.hears("seats"))["seats"]
        assert [(s["participant_id"], s["video"]) for s in seats] == [
            (bob.id, False), (cat.id, True), (dan.id, False), (None, False),
        ]  # fmt: skip
        assert mine.sizes[1] == (640, 360, 15)
        await bob.says("leave")
        assert [s["participant_id"] for s in (await ann.hears("seats"))["seats"]] == [None, cat.id, dan.id, None]


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


async def test_speakers_are_told_and_who_has_no_tile_is_heard(tmp_path: Path) -> None:
    from appliance.sfu.events import Speakers

    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host", max_seats=2)
        await ann.offers(seats=2)
        others = [await world.join(meeting, name) for name in ("Bob", "Cat", "Dan")]
        for other in others:
            await other.offers("microphone", "camera")
        assert (await ann.hears("need_media"))["need"] == {"seats": 2, "audio_seats": 1}
        mine = world.media.session(ann.id)
        assert mine.hears() == {o.id: "microphone" for o in others[:2]}
        room = world.media.rooms[meeting.id]
        room.emit(Speakers(((others[2].id, 0.5),), others[2].id))
        heard = await ann.hears("active-speakers")
        assert heard == {
            "type": "active-speakers",
            "speakers": [{"participant_id": others[2].id, "level": 0.5}],
            "dominant": others[2].id,
        }
        await ann.catch_up()
        assert others[2].id in mine.hears()
        await ann.offers(seats=2, audio_seats=1)
        assert mine.hears() == {o.id: "microphone" for o in others}


async def test_a_reaction_goes_one_way_to_each(tmp_path: Path) -> None:
    from appliance.sfu.events import DataMessage

    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        bob = await world.join(meeting, "Bob")
        cat = await world.join(meeting, "Cat", data_channel=False)
        for client in (ann, bob, cat):
            await client.offers("microphone", seats=2)
        await ann.says("reaction", reaction="clap")
        shown = await cat.hears("reaction")
        assert shown == {"type": "reaction", "participant_id": ann.id, "reaction": "clap"}
        assert [(label, json.loads(text)) for label, text in world.media.session(bob.id).data] == [
            ("reactions", {"participant_id": ann.id, "reaction": "clap"})
        ]
        assert world.media.session(ann.id).data == world.media.session(cat.id).data == []
        await bob.hears_nothing_of("reaction")

        room = world.media.rooms[meeting.id]
        for data in ('{"reaction": "heart"}', b"\xff", '{"reaction": "bomb"}', "[]", '{"reaction": "clap", "x": 1}'):
            room.emit(DataMessage(world.media.session(bob.id), "reactions", data))  # type: ignore[arg-type]
        assert (await cat.hears("reaction"))["reaction"] == "heart"
        await cat.hears_nothing_of("reaction")
        assert world.live.statistics()["rooms"][meeting.id]["reactions_refused"] == 4  # type: ignore[index]
        for _ in range(30):
            await ann.says("reaction", reaction="clap", ref="many")
        refused = await ann.hears("error")
        assert (refused["code"], refused["ref"]) == ("rate_limited", "many")
        assert 0 < refused["retry_after_s"] <= 0.25


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


async def test_quality_is_told_when_a_score_changes(tmp_path: Path, monkeypatch: object) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        await ann.offers("microphone")
        first = await ann.hears("quality")
        assert first["participants"] == [
            {"participant_id": ann.id, "score": 4, "uplink_loss": 0.0, "downlink_loss": 0.0, "rtt_ms": 20}
        ]
        assert "seq" not in first
