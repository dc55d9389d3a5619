"""What a recording's begin and end leave in the database, and what a start makes of rows that were left open."""

from __future__ import annotations

from pathlib import Path

from msgspec.structs import replace

from appliance.live.recording_rows import fail_start
from appliance.recorder.journal import Kind, Record, encode
from appliance.recorder.manifest import Manifest, TrackFile, read_manifest, write_manifest
from appliance.store import recordings
from tests.support.live_world import NODE, World, now_ms, open_world


async def _row(world: World, recording_id: str) -> recordings.Recording:
    found = await world.database.read(recordings.by_id, recording_id)
    assert found is not None
    return found


async def test_a_start_whose_row_was_stored_all_the_same_is_told_as_failed(tmp_path: Path) -> None:
    async with open_world(tmp_path) as world:
        meeting = await world.meeting()
        new = recordings.NewRecording(
            id="rec_1", meeting_id=meeting.id, title="Monday", layout="speaker", started_by_id=None,
            started_by_name=None, started_at_ms=5, node=NODE,
        )  # fmt: skip
        await world.database.run(fail_start, "rec_1", "gone", 6)  # nothing was stored
        assert await world.database.read(recordings.by_id, "rec_1") is None
        await world.database.run(recordings.start, new)
        await world.database.run(fail_start, "rec_1", "gone", 6)
        row = await _row(world, "rec_1")
        assert (row.status, row.error) == ("failed", "it could not begin: gone")


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
