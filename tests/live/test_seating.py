"""Transcripts of seats: filled, asked for, and who is heard without a tile."""

from __future__ import annotations

from pathlib import Path

from appliance.sfu.events import Speakers
from tests.support.live_world import open_world


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
        assert (mine.sizes[1], mine.priorities[1]) == ((640, 360, 15), 1)
        await ann.says("subscribe", videos=[{"participant_id": cat.id, "width": 640, "height": 360, "pinned": True}])
        await world.until(lambda: mine.priorities[1] == 100)
        await bob.says("leave")
        assert [s["participant_id"] for s in (await ann.hears("seats"))["seats"]] == [None, cat.id, dan.id, None]


async def test_speakers_are_told_and_who_has_no_tile_is_heard(tmp_path: Path) -> None:
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
