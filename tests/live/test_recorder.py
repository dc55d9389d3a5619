"""A recording always ends: with the meeting, the disk, the server, and after a kill at the next start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from appliance.errors import UserError
from appliance.jobs.recording_orders import RECORDING_AHEAD
from appliance.recorder.journal import Kind, Record, encode
from appliance.recorder.manifest import Manifest, TrackFile, read_manifest, write_manifest
from appliance.settings import RecordingSettings
from appliance.store import jobs, recordings
from tests.support.live_world import NODE, World, now_ms, open_world, world_settings


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


async def test_a_kill_is_made_good_at_the_next_start(tmp_path: Path) -> None:
    new = recordings.NewRecording(
        id="rec_killed",
        meeting_id="",
        title="Monday",
        layout="speaker",
        started_by_id=None,
        started_by_name=None,
        started_at_ms=now_ms(),
        node=NODE,
    )
    async with open_world(tmp_path) as world:
        meeting, other = await world.meeting(), await world.meeting()
        await world.database.run(recordings.start, replace(new, meeting_id=meeting.id))
        for killed in (replace(new, id="rec_nothing_left"), replace(new, id="rec_elsewhere", node="node_other")):
            await world.database.run(recordings.start, replace(killed, meeting_id=other.id))
    folder = tmp_path / "recordings/rec_killed"
    (folder / "tracks").mkdir(parents=True)
    track = TrackFile(
        track="trk_1",
        file="tracks/trk_1.journal",
        participant_id="prt_1",
        name="Ann",
        source="microphone",
        kind="audio",
    )
    write_manifest(
        folder,
        Manifest(recording_id="rec_killed", meeting_id=meeting.id, title="t", started_at_ms=1, tracks=(track,)),
    )
    (folder / track.file).write_bytes(encode(Record(kind=Kind.FRAME, at_us=9_000_000, payload=b"x")) + b"torn")
    async with open_world(tmp_path) as world:
        row = await _row(world, "rec_killed")
        assert (row.status, row.recovered, row.stop_reason) == ("processing", True, "the server was killed")
        assert read_manifest(folder).stopped_at_ms == 9000
        lost = await _row(world, "rec_nothing_left")
        assert lost.status == "failed" and lost.error is not None and "manifest.json" in lost.error
        assert (await _row(world, "rec_elsewhere")).status == "recording"
        ann = await world.join(meeting, "Ann", "host")
        await ann.hears("recording", state="on")  # as before the kill


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
