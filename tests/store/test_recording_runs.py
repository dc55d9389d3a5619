"""What a run of processing does to its recording, and what one that is not wanted any more does not."""

from __future__ import annotations

from pathlib import Path

import msgspec

from appliance.store import meetings, recording_runs, recordings
from appliance.store.database import Conn
from appliance.store.recordings import Chapter, Outputs, Progress, Track
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database

TRACK = Track(
    id="trk_a",
    participant_id="par_a",
    name="Ann",
    source="camera",
    codec="vp8",
    key="recordings/rec_r_trk_a.webm",
    media_type="video/webm",
    bytes=5,
    start_ms=10,
    duration_ms=990,
)
OUTPUTS = Outputs(
    duration_ms=1000,
    bytes=2**40,
    video_key="recordings/rec_r.mp4",
    video_type="video/mp4",
    thumbnail_key="recordings/rec_r.jpg",
    captions_key="recordings/rec_r.vtt",
    tracks=(TRACK,),
    chapters=(Chapter(start_ms=0, title="Ann"),),
)
PROGRESS = Progress(share=0.5, stage="video", time_left_s=3.0)


async def stopped(conn: Conn) -> None:
    await meetings.insert(conn, rows.meeting("one", None))
    await recordings.start(conn, rows.recording("r", "mtg_one"))
    await recordings.stop(conn, "rec_r", reason="asked", recovered=False, now_ms=2000)


async def test_a_run_goes_from_journals_to_files(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(stopped)
        begun = await database.run(recording_runs.begin_run, "rec_r", 1, bytes=77)
        assert begun is not None and (begun.status, begun.bytes) == ("processing", 77)
        assert [one.id for one in await database.read(recording_runs.processing)] == ["rec_r"]
        assert await database.run(recording_runs.set_progress, "rec_r", 1, PROGRESS)
        found = await database.read(recordings.by_id, "rec_r")
        assert found is not None and found.progress == PROGRESS
        assert not await database.run(recording_runs.set_ready, "rec_r", 1, OUTPUTS, 3000)  # not announced
        assert await database.run(recording_runs.announce, "rec_r", 1, OUTPUTS.keys)
        found = await database.read(recordings.by_id, "rec_r")
        assert found is not None and (found.video_key, found.keys) == (None, OUTPUTS.keys)  # a deletion knows them
        assert await database.run(recording_runs.set_ready, "rec_r", 1, OUTPUTS, 3000)
        assert not await database.run(recording_runs.set_ready, "rec_r", 1, OUTPUTS, 3000)
        found = await database.read(recordings.by_id, "rec_r")
        assert found is not None and (found.status, found.progress, found.error) == ("ready", None, None)
        for name in Outputs.__struct_fields__:
            assert getattr(found, name) == getattr(OUTPUTS, name)
        assert found.loose_keys == ()
        assert found.keys == [
            "recordings/rec_r.mp4",
            "recordings/rec_r.jpg",
            "recordings/rec_r.vtt",
            "recordings/rec_r_trk_a.webm",
        ]
        assert await database.run(recording_runs.begin_run, "rec_r", 1, bytes=0) is None
        assert not await database.run(recordings.fail, "rec_r", error="x", now_ms=4000, run=1)
        assert not await database.run(recording_runs.cancel, "rec_r")
        assert await database.run(recording_runs.process_again, "rec_r", layout=None) is None
        assert [one.id for one in await database.read(recording_runs.with_needless_journals, 9)] == ["rec_r"]
        await database.run(recording_runs.set_journals_gone, "rec_r")
        assert await database.read(recording_runs.with_needless_journals, 9) == []
        found = await database.read(recordings.by_id, "rec_r")
        assert found is not None and not found.has_journals


async def test_an_older_run_changes_nothing(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(stopped)
        assert await database.run(recording_runs.cancel, "rec_r")
        assert not await database.run(recording_runs.cancel, "rec_r")
        assert await database.run(recording_runs.begin_run, "rec_r", 1, bytes=0) is None  # begun in the same moment
        assert not await database.run(recording_runs.set_progress, "rec_r", 1, PROGRESS)
        assert not await database.run(recording_runs.announce, "rec_r", 1, OUTPUTS.keys)
        assert not await database.run(recording_runs.set_ready, "rec_r", 1, OUTPUTS, 3000)
        assert await database.run(recording_runs.process_again, "rec_r", layout="grid") == 2
        assert await database.run(recording_runs.process_again, "rec_r", layout="grid") is None
        assert await database.run(recording_runs.begin_run, "rec_r", 1, bytes=0) is None
        assert not await database.run(recording_runs.set_progress, "rec_r", 1, PROGRESS)
        assert not await database.run(recordings.fail, "rec_r", error="old", now_ms=1, run=1)
        begun = await database.run(recording_runs.begin_run, "rec_r", 2, bytes=1)
        assert begun is not None and (begun.layout, begun.run) == ("grid", 2)
        assert await database.run(recordings.fail, "rec_r", error="broken", now_ms=5000, run=2)
        # an administrator may queue the dead job again
        begun = await database.run(recording_runs.begin_run, "rec_r", 2, bytes=1)
        assert begun is not None and (begun.status, begun.error) == ("processing", None)


async def test_one_without_journals_or_deleted_is_not_processed_again(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(stopped)
        await database.run(recordings.fail, "rec_r", error="broken", now_ms=3000)
        await database.run(recording_runs.set_journals_gone, "rec_r")
        assert await database.run(recording_runs.process_again, "rec_r", layout=None) is None
        assert await database.run(recording_runs.begin_run, "rec_r", 1, bytes=0) is None
        await database.run(recordings.start, rows.recording("d", "mtg_one"))
        await database.run(recordings.stop, "rec_d", reason="asked", recovered=False, now_ms=2000)
        await database.run(recordings.delete, "rec_d", 3000)
        assert await database.run(recording_runs.begin_run, "rec_d", 1, bytes=0) is None
        assert not await database.run(recording_runs.announce, "rec_d", 1, OUTPUTS.keys)
        assert not await database.run(recording_runs.set_ready, "rec_d", 1, OUTPUTS, 3000)
        assert await database.read(recording_runs.processing) == []


async def test_people_are_led_to_the_objects_of_the_run_that_made_it(engine: str | Path) -> None:
    newer = msgspec.structs.replace(
        OUTPUTS, video_key="recordings/rec_r_2.webm", thumbnail_key=None, captions_key=None, tracks=()
    )
    async with open_test_database(engine) as database:
        await database.run(stopped)
        await database.run(recording_runs.begin_run, "rec_r", 1, bytes=77)
        await database.run(recording_runs.announce, "rec_r", 1, OUTPUTS.keys)
        assert await database.run(recordings.fail, "rec_r", error="killed", now_ms=3000, run=1)
        assert [one.id for one in await database.read(recording_runs.with_loose_objects, 9)] == ["rec_r"]
        assert await database.run(recording_runs.process_again, "rec_r", layout=None) == 2
        assert await database.run(recording_runs.begin_run, "rec_r", 2, bytes=1) is not None
        assert await database.read(recording_runs.with_loose_objects, 9) == []  # a run knows what it does
        assert await database.run(recording_runs.announce, "rec_r", 2, newer.keys)
        found = await database.read(recordings.by_id, "rec_r")
        assert found is not None and found.video_key is None
        assert await database.run(recording_runs.set_ready, "rec_r", 2, newer, 4000)
        found = await database.read(recordings.by_id, "rec_r")
        assert found is not None and (found.video_key, found.tracks) == ("recordings/rec_r_2.webm", ())
        assert set(found.loose_keys) == set(OUTPUTS.keys)
        assert set(found.keys) == {*found.loose_keys, "recordings/rec_r_2.webm"}
        await database.run(recording_runs.forget_loose, "rec_r", found.loose_keys)
        found = await database.read(recordings.by_id, "rec_r")
        assert found is not None and found.keys == ["recordings/rec_r_2.webm"]
