"""A recording always ends: with the meeting, the disk, the server, and after a kill at the next start."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from msgspec.structs import replace
from structlog.testing import capture_logs

from appliance.errors import UserError
from appliance.jobs.recording_orders import RECORDING_AHEAD
from appliance.recorder.manifest import read_manifest
from appliance.settings import DatabaseSettings, RecordingSettings, Settings
from appliance.store import jobs, recordings
from appliance.store.database import SQLITE_FILE, Conn, DatabaseError, DatabaseUnavailableError
from tests.support.live_world import NODE, World, open_world, world_settings


async def _row(world: World, recording_id: str) -> recordings.Recording:
    found = await world.database.read(recordings.by_id, recording_id)
    assert found is not None
    return found


async def _only(world: World) -> recordings.Recording:
    (row,) = await world.database.read(recordings.page, viewer_id=None, meeting_id=None, after=None, limit=9)
    return row


async def test_it_ends_with_the_meeting(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        await world.quiet()
        recording_id = await world.recorder.start(meeting.id, by_user_id=None, by_name=None, layout="grid")
        await ann.says("end_meeting")
        await ann.hears_the_end()
        await world.until(lambda: world.recorder.statistics()["stopped"] == 1)
        row = await _row(world, recording_id)
        assert (row.status, row.stop_reason, row.layout) == ("processing", "meeting ended", "grid")
        assert read_manifest(tmp_path / "recordings" / recording_id).closed


async def test_it_ends_when_everybody_left(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=world_settings(tmp_path, meetings={"empty_grace_s": 0.1})) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        await world.quiet()
        recording_id = await world.recorder.start(meeting.id, by_user_id=None, by_name=None, layout=None)
        await ann.says("leave")
        await world.until(lambda: world.recorder.statistics()["stopped"] == 1)
        assert (await _row(world, recording_id)).stop_reason == "everybody left"


async def test_a_meeting_that_says_so_is_recorded_by_itself(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        ann = await world.join(await world.meeting(auto_record=True), "Ann", "host")
        shown = await ann.hears("recording")
        assert (shown["state"], shown["by_name"]) == ("on", None)


@pytest.mark.parametrize(("setting", "asked", "made"), [(True, None, True), (True, False, False), (False, True, True)])
async def test_its_film_is_made_meanwhile_as_asked_or_as_the_settings_say(
    tmp_path: Path, setting: bool, asked: bool | None, made: bool
) -> None:
    settings = replace(world_settings(tmp_path), recording=RecordingSettings(live=setting))
    async with open_world(tmp_path, settings=settings) as world:
        meeting = await world.meeting()
        await world.join(meeting, "Ann", "host")
        await world.quiet()
        recording_id = await world.recorder.start(meeting.id, by_user_id=None, by_name=None, layout=None, live=asked)
        job = await world.database.read(jobs.by_key, RECORDING_AHEAD.name, recording_id)
        assert (job is not None) == made
        assert job is None or (job.node, job.meeting_id, job.priority) == (NODE, meeting.id, "low")


async def test_it_goes_on_after_a_restart_and_not_after_a_stop(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        await world.join(meeting, "Ann", "host")
        await world.quiet()
        first = await world.recorder.start(meeting.id, by_user_id=None, by_name=None, layout=None)
    async with open_world(tmp_path) as world:
        row = await _row(world, first)
        assert (row.status, row.stop_reason, row.recovered) == ("processing", "server stopping", False)
        ann = await world.join(meeting, "Ann", "host")
        shown = await ann.hears("recording", state="on")
        assert shown["recording_id"] != first
        await world.recorder.stop(shown["recording_id"], "asked")
    async with open_world(tmp_path) as world:
        ann = await world.join(meeting, "Ann", "host")
        await ann.hears_nothing_of("recording")


async def test_a_disk_that_fills_ends_it_and_the_call_goes_on(tmp_path: Path, monkeypatch: Any) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        await world.quiet()
        await world.recorder.start(meeting.id, by_user_id=None, by_name=None, layout=None)
        monkeypatch.setattr("appliance.recorder.writer.free_bytes", lambda _folder: 0)
        assert (await ann.hears("recording", state="off"))["reason"] == "disk full"
        await world.until(lambda: world.recorder.statistics()["stopped"] == 1)
        assert (await _only(world)).stop_reason == "disk full"
        await ann.offers("microphone")
        with pytest.raises(UserError) as refused:
            await world.recorder.start(meeting.id, by_user_id=None, by_name=None, layout=None)
        assert (refused.value.status, refused.value.code) == (507, "disk_full")
        assert world.recorder.statistics()["disk_errors"] == 2


@contextmanager
def database_away(folder: Path) -> Iterator[None]:
    """Another process writes and does not end."""
    with closing(sqlite3.connect(folder / SQLITE_FILE, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


def impatient(folder: Path) -> Settings:
    """Settings of a server that soon says that its database is away."""
    return replace(world_settings(folder), database=DatabaseSettings(busy_timeout_s=0.01))


async def _refuse(conn: Conn) -> None:
    """From now on the database refuses recordings, for good."""
    await conn.execute(
        "CREATE TRIGGER refuse BEFORE INSERT ON recordings BEGIN SELECT RAISE(ABORT, 'no more recordings'); END"
    )


def folders(folder: Path) -> list[str]:
    return [path.name for path in (folder / "recordings").glob("*")]


async def test_a_database_that_refuses_the_start_costs_the_recording_and_not_the_meeting(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        await world.database.run(_refuse)
        with capture_logs() as lines:
            meeting = await world.meeting(auto_record=True)
            ann = await world.join(meeting, "Ann", "host")
            await world.until(lambda: any(line["event"] == "recording_not_started" for line in lines))
        (line,) = [line for line in lines if line["event"] == "recording_not_started"]
        assert (line["meeting"], line["reason"], line["tried_again"]) == (meeting.id, "no more recordings", False)
        await ann.hears_nothing_of("recording")
        await ann.offers("microphone")
        with pytest.raises(DatabaseError, match="no more recordings"):
            await world.recorder.start(meeting.id, by_user_id=None, by_name=None, layout=None)
        assert folders(tmp_path) == []
        assert not world.recorder.is_recording(meeting.id)
        # by its host
        await ann.says("recording_start")
        assert (await ann.hears("error"))["code"] == "unavailable"
        await world.database.run(_accept)
        await ann.says("recording_start")
        assert (await ann.hears("recording"))["state"] == "on"


async def _accept(conn: Conn) -> None:
    await conn.execute("DROP TRIGGER refuse")


@pytest.mark.slow
async def test_a_meeting_that_says_so_is_recorded_once_the_database_is_back(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=impatient(tmp_path)) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        await world.quiet()
        with capture_logs() as lines:
            with database_away(tmp_path):
                with pytest.raises(DatabaseUnavailableError):
                    await world.recorder.start(meeting.id, by_user_id=None, by_name=None, layout=None)
                assert folders(tmp_path) == []
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(world.recorder.meeting_started, replace(meeting, auto_record=True))
                    await world.until(lambda: any(line["event"] == "recording_not_started" for line in lines))
                    nursery.cancel_scope.cancel()
            await world.recorder.meeting_started(replace(meeting, auto_record=True))
        assert {line["tried_again"] for line in lines if line["event"] == "recording_not_started"} == {True}
        shown = await ann.hears("recording", state="on")
        assert folders(tmp_path) == [shown["recording_id"]]


@pytest.mark.slow
async def test_an_end_is_stored_once_the_database_is_back(tmp_path: Path) -> None:
    async with open_world(tmp_path, settings=impatient(tmp_path)) as world:
        meeting = await world.meeting()
        await world.join(meeting, "Ann", "host")
        await world.quiet()
        recording_id = await world.recorder.start(meeting.id, by_user_id=None, by_name=None, layout=None)
        with capture_logs() as lines:
            async with trio.open_nursery() as nursery:
                with database_away(tmp_path):
                    nursery.start_soon(world.recorder.stop, recording_id, "asked")
                    await world.until(lambda: any(line["event"] == "recording_end_not_stored" for line in lines))
        assert (await _row(world, recording_id)).status == "processing"


async def test_an_end_that_the_database_refuses_is_left_to_the_next_start(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        ann = await world.join(meeting, "Ann", "host")
        await world.quiet()
        recording_id = await world.recorder.start(meeting.id, by_user_id=None, by_name=None, layout=None)
        await world.database.run(_refuse_ends)
        await world.recorder.stop(recording_id, "asked")
        await ann.offers("microphone")
        assert (await _row(world, recording_id)).status == "recording"
    async with open_world(tmp_path) as world:  # which does not fail either
        assert (await _row(world, recording_id)).status == "recording"
        await world.database.run(_accept)
    async with open_world(tmp_path) as world:
        assert (await _row(world, recording_id)).status == "processing"


async def _refuse_ends(conn: Conn) -> None:
    await conn.execute(
        "CREATE TRIGGER refuse BEFORE UPDATE ON recordings BEGIN SELECT RAISE(ABORT, 'no more ends'); END"
    )
