"""Transcripts of the whole: restart, stop, a meeting's failure, many at once, and back to the baseline."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.live import verbs
from appliance.live.session import Session
from appliance.store import meetings, participants
from tests.support.live_world import now_ms, open_world, world_settings


async def test_a_restart_sends_everybody_away_and_takes_them_back(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        tokens = {name: world.token(meeting, await world.account(name), name) for name in ("Ann", "Bob")}
        people = [await world.join(meeting, name, token=token) for name, token in tokens.items()]
        stranger = await world.connect()
        await people[0].says("chat", text="before")
        await people[0].hears("chat")
        await world.live.stop()
        for person in people:
            closed = await person.hears("room-closed")
            assert (closed["reason"], closed["reconnect_after_s"]) == ("server_stopping", 3.0)
            assert await person.hears_the_end() == 1001
        assert await stranger.hears_the_end() == 1001
        late = await world.connect()
        await late.says("join", room=meeting.id, token=tokens["Ann"])
        refused = await late.hears("error")
        assert (refused["code"], refused["retry_after_s"]) == ("server_stopping", 3.0)
    async with open_world(tmp_path) as world:
        assert (await world.row(meeting)).status == "active"
        again = await world.connect()
        await again.says("resume", session_id=people[0].welcome["session_id"],
                         resume_token=people[0].welcome["resume_token"], last_seq=1)  # fmt: skip
        assert (await again.hears("error"))["code"] == "resume_refused"
        await again.says("join", room=meeting.id, token=tokens["Ann"])
        welcome = await again.hears("joined")
        assert [line["text"] for line in welcome["chat"]] == ["before"]
        assert [p["name"] for p in welcome["room"]["participants"]] == ["Ann"]
        await world.quiet()
        rows = await world.database.read(participants.page, meeting.id, active=None, after=None, limit=10)
        assert [(r.name, r.leave_reason) for r in rows] == [
            ("Ann", "server_stopping"), ("Bob", "server_stopping"), ("Ann", None),
        ]  # fmt: skip


async def test_a_crash_leaves_no_open_joins(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        record = participants.ParticipantRecord(
            id="prt_left_open", meeting_id=meeting.id, user_id=None, guest_id="gst_a", name="A", role="participant",
            joined_at_ms=1, left_at_ms=None, leave_reason=None,
        )  # fmt: skip
        await world.database.run(participants.insert, record)
    async with open_world(tmp_path) as world:
        found = await world.database.read(participants.by_id, meeting.id, "prt_left_open")
        assert found is not None
        assert found.leave_reason == "lost"


async def test_meetings_that_only_seem_to_run_are_paused(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=world_settings(tmp_path, meetings={"empty_grace_s": 0.1})) as world:
        idle, running = await world.meeting(), await world.meeting()
        await world.database.run(meetings.activate, idle.id, now_ms() - 10_000)
        await world.database.run(meetings.activate, running.id, now_ms() - 10_000)
        await world.join(running, "Ann", "host")
        with trio.fail_after(3):
            while (await world.row(idle)).status != "scheduled":  # noqa: ASYNC110  # the database tells nobody
                await trio.sleep(0.02)
        assert (await world.row(running)).status == "active"


async def test_a_meeting_that_fails_takes_nobody_else_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = verbs.obey

    async def fails(room: Any, session: Session, message: Any) -> None:
        if getattr(message, "text", "") == "bug":
            raise ZeroDivisionError("a bug")
        await whole(room, session, message)

    monkeypatch.setattr(verbs, "obey", fails)
    async with open_world(tmp_path) as world:
        monday, friday = await world.meeting(), await world.meeting()
        ann = await world.join(monday, "Ann", "host")
        bob = await world.join(friday, "Bob", "host")
        await ann.says("chat", text="bug")
        assert await ann.hears_the_end() == 1011
        await bob.says("chat", text="hello")
        await bob.hears("chat")
        again = await world.join(monday, "Ann", "host")
        await again.says("chat", text="hello")
        await again.hears("chat")
        assert world.live.statistics()["totals"]["failures"] == 1  # type: ignore[index]


@pytest.mark.slow
async def test_many_come_at_once_and_everything_is_given_back(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        tokens = [world.token(meeting, f"gst_{n}", f"Guest {n}") for n in range(60)]
        ann = await world.join(meeting, "Ann", "host", buffer=2000)
        tasks = trio.lowlevel.current_statistics().tasks_living
        took: list[float] = []

        async def visit(token: str) -> None:
            started = trio.current_time()
            guest = await world.join(meeting, "Guest", token=token, buffer=2000)
            took.append(trio.current_time() - started)
            await guest.offers("microphone", "camera", seats=2)
            await guest.says("leave")
            await guest.hears_the_end()

        for _ in range(2):
            async with trio.open_nursery() as nursery:
                for token in tokens:
                    nursery.start_soon(visit, token)
            await ann.catch_up()
        assert max(took) < 4
        await world.until(lambda: world.live.statistics()["sockets"] == 1)
        await world.quiet()
        numbers = world.live.statistics()
        assert (numbers["participants"], numbers["sessions"], numbers["meetings"]) == (1, 1, 1)
        assert world.live.connected == 1
        assert len(world.media.rooms[meeting.id].sessions) == 1
        assert trio.lowlevel.current_statistics().tasks_living == tasks
        rows = await world.database.read(participants.page, meeting.id, active=None, after=None, limit=500)
        assert sum(row.left_at_ms is not None for row in rows) == 120
        gc.collect()
        assert sum(isinstance(thing, Session) for thing in gc.get_objects()) <= 3
