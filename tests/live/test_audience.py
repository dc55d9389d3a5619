"""Who is told, and by which way."""

from __future__ import annotations

import json
from pathlib import Path

from appliance.sfu.events import DataMessage
from tests.support.live_world import open_world


async def test_a_reaction_goes_one_way_to_each(tmp_path: Path) -> None:
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
