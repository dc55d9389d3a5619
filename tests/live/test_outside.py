"""What is asked from outside of meetings that do not run changes nothing; what may not be lost is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import UserError
from appliance.live.commands import EndRecording
from appliance.live.directory import Live
from tests.support.live_world import open_world


async def test_live_is_what_the_api_asks_for(tmp_path: Path) -> None:
    from appliance.api.live_port import LiveMeetings

    async with open_world(tmp_path) as world:
        live: LiveMeetings = world.live
        assert isinstance(live, Live)
        assert live.participant_count("mtg_none") == 0
        assert live.participants("mtg_none") == []
        live.meeting_changed("mtg_none", title="x", locked=True)
        live.revoke_user("usr_none")
        assert live.statistics()["meetings"] == 0


async def test_commands_reach_meetings_that_run_and_no_other(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        command = EndRecording("rec_none", "asked")
        with pytest.raises(UserError) as refused:
            await world.live.put(meeting.id, command)
        assert (refused.value.code, world.live.running()) == ("not_running", frozenset())
        await world.join(meeting, "Ann")
        assert world.live.running() == {meeting.id}
        await world.live.put(meeting.id, command)
        with pytest.raises(UserError) as refused:
            await command.reply.wait()
        assert refused.value.code == "not_recording"
