"""A film is made while its recording goes on: seen in the row, taken over at the end, and in nobody's way."""

from __future__ import annotations

import os
from pathlib import Path

import av
import msgspec
import pytest
import trio
from structlog.testing import capture_logs

from appliance.jobs.recording_orders import RECORDING_AHEAD, RECORDING_PROCESS, process_key, remove_order
from appliance.live.recording_rows import store_end, store_start
from appliance.recorder.composed import LEAST_FPS, MOST_FPS, ComposeOptions
from appliance.recorder.manifest import Manifest, read_manifest
from appliance.recordings.ahead import compose_options, end_ahead
from appliance.settings import RecordingSettings
from appliance.store import jobs, recordings
from appliance.store.database import Conn
from tests.support import short_films, stored_rows
from tests.support.growing import Growing
from tests.support.queued_jobs import now_ms
from tests.support.recorded import Meeting
from tests.support.shelves import NODE, House, open_house
from tests.support.waiting import until

pytestmark = pytest.mark.slow

SECONDS = 38
# A film of 38 seconds is made in two, and in a hundred on a machine that has a lot else to do.
WITHIN_S = 240.0
SMALL = {"height": 360, "fps": short_films.FPS}
AHEAD = RECORDING_AHEAD.name


async def begin(house: House, tmp_path: Path, *, live: bool = True) -> Growing:
    """A recording ``rec_r`` begins, of which nothing was written yet."""
    meeting = Meeting(tmp_path / "whole", SECONDS)
    ann = meeting.join("Ann")
    meeting.camera(ann, size=(160, 90), fps=5)
    meeting.microphone(ann)
    house.shelf.root.mkdir(exist_ok=True)
    growing = Growing(meeting.write(), house.shelf.folder("rec_r"))
    new = stored_rows.recording("r", "mtg_one", node=NODE)
    await house.database.run(store_start, new, live, now_ms())
    return growing


async def finish(house: House, growing: Growing) -> None:
    """The recording is over, as the recorder does it."""
    growing.close()
    manifest = read_manifest(growing.folder)
    await house.database.run(store_end, _ours(manifest), NODE, now_ms())


def _ours(manifest: Manifest) -> Manifest:
    return Manifest(
        recording_id="rec_r",
        meeting_id="mtg_one",
        title="",
        started_at_ms=manifest.started_at_ms,
        closed=True,
        reason="asked",
    )


async def share(house: House, least: float) -> float | None:
    """How much of what was recorded is in the film, if it is so much."""
    row = await house.row("rec_r")
    found = row and row.progress
    return found.share if found and found.stage == "live" and found.share >= least else None


async def test_it_grows_with_the_recording_and_is_taken_over(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path, **SMALL) as house:
        house.compose = short_films.compose
        growing = await begin(house, tmp_path)
        async with house.open():
            for second, expected in ((12, None), (28, 5 / 28), (36, 15 / 36)):
                growing.until(second, torn=True)
                if expected is None:
                    await trio.sleep(0.3)
                    assert await share(house, 0) is None
                else:
                    found = await until(lambda at=expected: share(house, at - 0.01), within_s=WITHIN_S)
                    assert abs(found - expected) < 0.01
            assert [one.status for one in house.told] == ["recording"] * len(house.told)
            await finish(house, growing)
            done = await until(lambda: house.row_in("rec_r", "ready", "failed"), within_s=WITHIN_S)
            assert (done.status, done.error, done.progress) == ("ready", None, None)
            job = await house.wait_job(AHEAD, "rec_r", "done", "cancelled")
            assert job.attempts <= 1
        assert house.told[-1].status == "ready"
        film = house.shelf.root.parent / "files" / str(done.video_key)
        with av.open(film) as opened:
            numbers = [frame.pts * frame.time_base * short_films.FPS for frame in opened.decode(video=0)]
        assert numbers == list(range(SECONDS * short_films.FPS))


async def test_what_is_not_asked_for_is_not_made(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path, **SMALL) as house:
        growing = await begin(house, tmp_path, live=False)
        async with house.open():
            growing.until(30)
            await trio.sleep(0.3)
            assert await house.database.read(jobs.by_key, AHEAD, "rec_r") is None
            assert not (growing.folder / "segments").exists()


async def test_the_end_stops_a_worker_in_the_middle(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path, **SMALL) as house:
        house.compose = short_films.compose
        growing = await begin(house, tmp_path)
        (growing.folder / "script").write_text("hang")
        async with house.open():
            path = growing.folder / "process"
            pid = int(await until(lambda: path.exists() and path.read_text()))
            (growing.folder / "script").unlink()
            await finish(house, growing)
            await house.wait_job(AHEAD, "rec_r", "cancelled")
            await until(lambda: not _alive(pid))
            done = await until(lambda: house.row_in("rec_r", "ready", "failed"), within_s=WITHIN_S)
            assert done.status == "ready", done.error


async def test_its_failure_costs_nothing_but_itself(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path, **SMALL) as house:
        house.compose = short_films.compose
        growing = await begin(house, tmp_path)
        (growing.folder / "script").write_text("fail")
        async with house.open():
            growing.until(30)
            job = await house.wait_job(AHEAD, "rec_r", "dead")
            assert "nobody can read" in (job.error or "")
            row = await house.row("rec_r")
            assert row is not None and row.status == "recording"
            await finish(house, growing)
            done = await until(lambda: house.row_in("rec_r", "ready", "failed"), within_s=WITHIN_S)
            assert done.status == "ready", done.error


async def test_a_restart_goes_on_and_another_start_takes_it_over(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path, **SMALL) as house:
        house.compose = short_films.compose
        growing = await begin(house, tmp_path)
        async with house.open():
            growing.until(28)
            await until(lambda: share(house, 0.17), within_s=WITHIN_S)
        before = _segments(growing.folder)
        assert len(before) == 1
        async with house.open(worker="w2"):
            growing.until(38)
            await until(lambda: share(house, 15 / 38 - 0.01), within_s=WITHIN_S)
        after = _segments(growing.folder)
        assert len(after) == 3
        assert before.items() <= after.items()
        await finish(house, growing)
        async with house.open(worker="w3"):
            done = await until(lambda: house.row_in("rec_r", "ready", "failed"), within_s=WITHIN_S)
            assert done.status == "ready", done.error


async def test_what_was_made_with_other_pictures_a_second_is_made_again(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path, **SMALL) as house:
        house.compose = short_films.compose
        growing = await begin(house, tmp_path)
        async with house.open():
            growing.until(28)
            await until(lambda: share(house, 0.17), within_s=WITHIN_S)
        before = _segments(growing.folder)
        # started again with another setting, while the recording goes on and after it
        house.settings = msgspec.structs.replace(house.settings, fps=10)
        async with house.open(worker="w2"):
            await until(lambda: _segments(growing.folder).items().isdisjoint(before.items()), within_s=WITHIN_S)
        house.settings = msgspec.structs.replace(house.settings, fps=8)
        await finish(house, growing)
        with capture_logs() as lines:
            async with house.open(worker="w3"):
                done = await until(lambda: house.row_in("rec_r", "ready", "failed"), within_s=WITHIN_S)
                await house.wait_job(RECORDING_PROCESS.name, process_key("rec_r", 1), "done")
        assert done.status == "ready", done.error
        (ready,) = [line for line in lines if line["event"] == "recording_ready"]
        assert (ready["parts"], ready["parts_made_before"]) == (8, 0)
        with av.open(house.shelf.root.parent / "files" / str(done.video_key)) as opened:
            numbers = [frame.pts * frame.time_base * 8 for frame in opened.decode(video=0)]
        assert numbers == list(range(SECONDS * 8))


async def test_it_leaves_the_worker_processes_to_what_is_over(tmp_path: Path) -> None:
    """The one worker process is busy: it waits, and no attempt of its own is counted."""
    async with open_house(tmp_path, tmp_path, **SMALL) as house, house.open():
        ident = await house.record("busy", "slow")
        await until(lambda: (house.shelf.folder(ident) / "process").exists())
        await begin(house, tmp_path)
        await until(lambda: _postponed(house, "busy"))
        assert not (house.shelf.folder("rec_r") / "segments").exists()


async def test_it_leaves_the_disk_to_what_is_recorded(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path, **SMALL, min_free_bytes=2**60) as house, house.open():
        growing = await begin(house, tmp_path)
        growing.until(30)
        await until(lambda: _postponed(house, "too little is free"))
        assert not (growing.folder / "segments").exists()


async def _postponed(house: House, reason: str) -> bool:
    job = await house.job(AHEAD, "rec_r")
    return job.state == "waiting" and job.attempts == 0 and reason in (job.error or "")


async def test_a_deleted_one_ends_it(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path, **SMALL) as house:
        growing = await begin(house, tmp_path)
        (growing.folder / "script").write_text("hang")
        async with house.open():
            path = growing.folder / "process"
            pid = int(await until(lambda: path.exists() and path.read_text()))
            # the row is over without a word, as after a failed end, and then deleted
            await house.database.run(_fail_and_delete)
            await house.wait_job(AHEAD, "rec_r", "cancelled")
            await until(lambda: not _alive(pid))
            await until(lambda: _is_gone(house))
            assert not growing.folder.exists()


async def _is_gone(house: House) -> bool:
    return await house.row("rec_r") is None


async def _fail_and_delete(conn: Conn) -> None:
    assert await recordings.fail(conn, "rec_r", error="lost", now_ms=now_ms())
    assert await recordings.delete(conn, "rec_r", now_ms())
    await jobs.enqueue(conn, remove_order(recording_id="rec_r", meeting_id="mtg_one", now_ms=now_ms()))


async def test_to_end_what_is_not_there_is_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path) as house:
        await end_ahead(house.shelf, "rec_none")
        await begin(house, tmp_path)
        await end_ahead(house.shelf, "rec_r")
        await end_ahead(house.shelf, "rec_r")
        assert (await house.job(AHEAD, "rec_r")).state == "cancelled"


def test_both_make_the_same_film() -> None:
    settings = RecordingSettings(height=1080, fps=30, format="webm", encoder="libvpx-vp9")
    options = compose_options(settings, "grid")
    assert (options.layout, options.height, options.fps) == ("grid", 1080, 30)
    assert (options.format, options.encoder) == ("webm", "libvpx-vp9")
    assert compose_options(RecordingSettings(), "speaker") == ComposeOptions()


@pytest.mark.parametrize("fps", [LEAST_FPS, MOST_FPS])
def test_the_settings_allow_what_can_be_made(fps: int) -> None:
    assert msgspec.convert({"fps": fps}, RecordingSettings).fps == fps
    for other in (LEAST_FPS - 1, MOST_FPS + 1):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"fps": other}, RecordingSettings)


def _segments(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_ino for path in (folder / "segments").glob("*.segment")}


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
