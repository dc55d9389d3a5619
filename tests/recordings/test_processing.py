"""From journals to files: what comes out, what is told, and what a failure, a cancellation or a restart leaves."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import msgspec
import pytest
import trio
from msgspec.structs import force_setattr
from structlog.testing import capture_logs

from appliance.files.storage import StorageUnavailableError
from appliance.jobs.places import WorkerDiedError
from appliance.jobs.recording_orders import RECORDING_PROCESS, process_key, process_order
from appliance.recorder.compose_process import ComposeOptions
from appliance.recorder.composed import Spoken
from appliance.recordings.processing import reason_of
from appliance.settings import RecordingSettings
from appliance.store import jobs, recording_runs, recordings, transcripts
from appliance.store.database import Conn
from tests.support.queued_jobs import now_ms
from tests.support.shelves import NODE, House, open_house
from tests.support.waiting import until

pytestmark = pytest.mark.slow  # each starts a worker process

TYPE = RECORDING_PROCESS.name


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(")")[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def worker_of(house: House, recording_id: str) -> int:
    """The process that composes it, once it does."""
    path = house.shelf.folder(recording_id) / "process"
    pid = await until(lambda: path.exists() and path.read_text())
    return int(pid)


async def cancel(conn: Conn, recording_id: str, run: int) -> None:
    """As the API does it."""
    assert await recording_runs.cancel(conn, recording_id)
    job = await jobs.by_key(conn, TYPE, process_key(recording_id, run))
    assert job is not None and await jobs.cancel(conn, job.id, now_ms())


async def again(conn: Conn, recording_id: str) -> int:
    run = await recording_runs.process_again(conn, recording_id, layout=None)
    assert run is not None
    order = process_order(
        recording_id=recording_id, meeting_id="mtg_one", node=NODE, now_ms=now_ms(), run=run, height=360, format="webm"
    )
    await jobs.enqueue(conn, order)
    return run


async def test_files_are_stored_told_and_the_journals_go(tmp_path: Path, target: str | Path) -> None:
    async with open_house(tmp_path, target, height=480) as house, house.open():
        ident = await house.record("r", layout="grid")
        done = await house.wait_status(ident, "ready")
        assert (done.duration_ms, done.bytes, done.error, done.progress) == (1000, 400 + 7 + 50 + 50, None, None)
        base = str(done.video_key).removesuffix(".mp4")
        assert re.fullmatch(r"recordings/rec_r_1_[a-z2-7]{20}", base) and done.video_type == "video/mp4"
        assert (done.thumbnail_key, done.captions_key) == (f"{base}.jpg", None)
        tracks = [(track.id, track.key, track.media_type, track.bytes, track.start_ms) for track in done.tracks]
        assert tracks == [
            ("trk_mic", f"{base}_trk_mic.webm", "audio/webm", 50, 100),
            ("trk_cam", f"{base}_trk_cam.mkv", "video/x-matroska", 50, 100),
        ]
        assert [(chapter.start_ms, chapter.title) for chapter in done.chapters] == [(0, "Ann")]
        assert await house.shelf.files.read(f"{base}.mp4") == b"film" * 100
        assert await house.objects() == {key.partition("/")[2] for key in done.keys}
        job = await house.wait_job(TYPE, process_key(ident, 1), "done")
        assert job.result == '"ready"'
        assert not house.shelf.folder(ident).exists()
        row = await house.row(ident)
        assert row is not None and not row.has_journals
        assert [one.status for one in house.told][-1] == "ready"
        stages = [one.progress.stage for one in house.told if one.progress is not None]
        assert stages[-1] == "storing"
        events = await house.database.read(_event_types)
        assert events == ["recording.started", "recording.stopped", "recording.processed"]


@pytest.mark.parametrize("script", ["", "flawed"])
async def test_the_log_says_how_the_film_was_made_and_what_is_wrong_with_it(tmp_path: Path, script: str) -> None:
    with capture_logs() as lines:
        async with open_house(tmp_path, tmp_path) as house, house.open():
            ident = await house.record("r", script)
            await house.wait_job(TYPE, process_key(ident, 1), "done")
    (ready,) = [line for line in lines if line["event"] == "recording_ready"]
    flaws = [line for line in lines if line["event"] == "recording_with_flaws"]
    assert (ready["recording"], ready["encoder"], ready["bytes"]) == (ident, "double", 507)
    if script:
        assert (ready["loudness_lufs"], ready["refused_encoders"]) == (-31.5, ["h264_nvenc: no card"])
        (flaw,) = flaws
        assert (flaw["log_level"], flaw["recording"]) == ("warning", ident)
        assert (flaw["broken_tracks"], flaw["missing_glyphs"]) == (["trk_cam"], "ĳ")
    else:
        assert (ready["loudness_lufs"], ready["refused_encoders"], flaws) == (None, [], [])


async def _event_types(conn: Conn) -> list[str]:
    rows = await conn.fetch("SELECT type FROM events WHERE topic = 'media_events' ORDER BY n")
    return [row["type"] for row in rows]


async def test_it_is_told_each_second_how_far_it_is(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path) as house, house.open():
        ident = await house.record("r", "slow")
        said = await until(lambda: [one.progress for one in house.told if one.progress is not None])
        assert (said[0].share, said[0].stage, said[0].time_left_s) == (0.25, "video", 12.0)
        row = await house.row(ident)
        assert row is not None and row.progress == said[0]
        assert row.bytes is not None and 98 < row.bytes < 1000  # the journals'
        options = msgspec.json.decode((house.shelf.folder(ident) / "options.json").read_bytes(), type=ComposeOptions)
        assert options == ComposeOptions(layout="speaker", height=720, format="mp4", encoder="auto")


async def test_the_film_gets_what_was_said_while_it_was_recorded(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path) as house, house.open():
        for number, start_ms in enumerate((100, 1200, 5000)):
            segment = transcripts.Segment(
                id=f"cap_{number}", meeting_id="mtg_one", participant_id="prt_a", name="Ann", start_ms=start_ms,
                end_ms=start_ms + 500, text=f"text {number}", language="en",
            )  # fmt: skip
            await house.database.run(transcripts.insert, segment=segment)
        ident = await house.record("r", "slow")
        await worker_of(house, ident)  # which has written its options before its id
        path = house.shelf.folder(ident) / "options.json"
        options = msgspec.json.decode(path.read_bytes(), type=ComposeOptions)
        assert options.spoken == (Spoken(1200, 1700, "prt_a", "Ann", "text 1"),)


async def test_a_cancelled_one_is_killed_and_may_begin_anew(tmp_path: Path, target: str | Path) -> None:
    async with open_house(tmp_path, target) as house, house.open():
        ident = await house.record("r", "slow once")
        pid = await worker_of(house, ident)
        await house.database.run(cancel, ident, 1)
        await house.wait_job(TYPE, process_key(ident, 1), "cancelled")
        await until(lambda: not alive(pid))
        row = await house.row(ident)
        assert row is not None and (row.status, row.has_journals) == ("cancelled", True)
        assert await house.objects() == set()
        await house.database.run(again, ident)
        done = await house.wait_status(ident, "ready")
        assert (done.run, done.video_type) == (2, "video/webm")
        assert str(done.video_key).startswith("recordings/rec_r_2_")


async def test_one_that_is_given_back_begins_again_at_the_next_start(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path) as house:
        async with house.open():
            ident = await house.record("r", "slow once")
            pid = await worker_of(house, ident)
        await until(lambda: not alive(pid))
        row = await house.row(ident)
        assert row is not None and row.status == "processing"
        job = await house.job(TYPE, process_key(ident, 1))
        assert (job.state, job.attempts) == ("waiting", 0)
        async with house.open(worker="w2"):
            await house.wait_status(ident, "ready")


async def test_one_that_fails_is_tried_again(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path) as house, house.open():
        ident = await house.record("r", "broken once")
        await house.wait_status(ident, "ready")
        assert (await house.wait_job(TYPE, process_key(ident, 1), "done")).attempts == 2
        # what is no progress is not told
        ident = await house.record("g", "garbage")
        await house.wait_status(ident, "ready")


@pytest.mark.parametrize(
    ("script", "reason", "traceback"),
    [
        ("disk full", "the disk is full", "no space left"),
        ("broken", "the film could not be made (ValueError)", "a frame that nobody can read"),
        ("die", "the process that makes the film was killed, as for want of memory", "Broken"),
        ("no film", "the film could not be made (FileNotFoundError)", "meeting.mp4"),
        ("outside", "the film could not be made (ValueError)", "lies outside"),
    ],
)
async def test_one_that_keeps_failing_says_why_and_keeps_what_was_recorded(
    tmp_path: Path, script: str, reason: str, traceback: str
) -> None:
    async with open_house(tmp_path, tmp_path) as house, house.open():
        ident = await house.record("r", script)
        failed = await house.wait_status(ident, "failed")
        assert (failed.error, failed.has_journals) == (reason, True)
        assert (house.shelf.folder(ident) / "a.journal").exists()
        job = await house.wait_job(TYPE, process_key(ident, 1), "dead")
        assert job.attempts == 4 and traceback in (job.error or "")
        assert house.told[-1].status == "failed"
        assert (await house.database.read(_event_types))[-1] == "recording.failed"
        assert await house.objects() == set()
        # an administrator queues the dead letter again
        (house.shelf.folder(ident) / "script").unlink()
        assert await house.database.run(jobs.requeue, job.id, now_ms())
        await house.wait_status(ident, "ready")


SHORT = "less than 1099511627776 MiB is free on the server's disk; it is tried again by itself"


async def test_nothing_is_made_while_too_little_is_free(tmp_path: Path, target: str | Path) -> None:
    async with open_house(tmp_path, target, min_free_bytes=2**60) as house:
        ident = await house.record("r")
        async with house.open():
            failed = await house.wait_status(ident, "failed")
            assert (failed.error, failed.has_journals) == (SHORT, True)
            waiting = await until(lambda: _waits(house, ident))
            assert waiting.error == SHORT
            assert not (house.shelf.folder(ident) / "process").exists()
        assert [one.status for one in house.told] == ["failed"]  # and not again with each look
        house.settings = RecordingSettings()
        async with house.open(worker="w2"):
            ready = await house.wait_status(ident, "ready")
            assert (ready.run, ready.error) == (1, None)
        events = await house.database.read(_event_types)
        assert events == ["recording.started", "recording.stopped", "recording.failed", "recording.processed"]


async def test_a_film_that_leaves_too_little_free_is_stopped_and_tried_again_later(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path, min_free_bytes=2**24) as house, house.open():
        ident = await house.record("r", "slow")
        pid = await worker_of(house, ident)
        folder = house.shelf.folder(ident)
        for made in (folder / "out/tracks", folder / "segments"):
            made.mkdir(parents=True)
        force_setattr(house.settings, "min_free_bytes", 2**60)  # as if others wrote
        failed = await house.wait_status(ident, "failed")
        assert (failed.error, failed.has_journals) == (SHORT, True)
        job = await until(lambda: _waits(house, ident))
        assert job.run_at_ms > now_ms() + 200_000
        assert not alive(pid)
        assert not (folder / "out").exists()
        assert (folder / "segments").exists() and (folder / "a.journal").exists()
        assert house.told[-1].status == "failed"
        # who does not want to wait
        force_setattr(house.settings, "min_free_bytes", 2**24)
        (folder / "script").unlink()
        await house.database.run(again, ident)
        assert (await house.wait_status(ident, "ready")).run == 2


async def _waits(house: House, recording_id: str) -> jobs.Job | None:
    job = await house.job(TYPE, process_key(recording_id, 1))
    return job if (job.state, job.attempts) == ("waiting", 0) and job.error else None


async def test_one_whose_journals_are_gone_fails_at_once(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path) as house:
        ident = await house.record("r")
        await trio.to_thread.run_sync(os.rename, house.shelf.folder(ident), tmp_path / "elsewhere")
        async with house.open():
            failed = await house.wait_status(ident, "failed")
            assert failed.error == "what was recorded is not on the server's disk any more"
            assert not failed.has_journals
            assert (await house.wait_job(TYPE, process_key(ident, 1), "done")).attempts == 1


async def test_what_is_not_wanted_any_more_does_nothing(tmp_path: Path) -> None:
    async with open_house(tmp_path, tmp_path) as house:
        ident = await house.record("r")
        other = await house.record("o")
        await house.database.run(recording_runs.cancel, ident)
        await house.database.run(recordings.delete, other, now_ms())
        async with house.open():
            for one in (ident, other):
                job = await house.wait_job(TYPE, process_key(one, 1), "done")
                assert job.result == '"not wanted any more"'
        assert await house.objects() == set()


async def test_what_a_killed_run_stored_does_not_stay(tmp_path: Path, target: str | Path) -> None:
    """Killed between storing and the row that says so, then given up by somebody, who later wants it after all."""
    async with open_house(tmp_path, target) as house:
        ident = await house.record("r", order=False)
        await house.database.run(_killed, ident)
        await house.shelf.files.write("recordings/rec_r_killed.mp4", b"half a film")
        async with house.open():
            await house.database.run(again, ident)
            ready = await house.wait_status(ident, "ready")
            await house.wait_job(TYPE, process_key(ident, 2), "done")
        assert (ready.run, ready.loose_keys) == (2, ())
        assert len(ready.keys) == 4
        assert await house.objects() == {key.removeprefix("recordings/") for key in ready.keys}


async def _killed(conn: Conn, recording_id: str) -> None:
    assert await recording_runs.begin_run(conn, recording_id, 1, bytes=98)
    assert await recording_runs.announce(conn, recording_id, 1, ["recordings/rec_r_killed.mp4"])
    assert await recording_runs.cancel(conn, recording_id)


def test_reasons_are_for_people() -> None:
    assert reason_of(OSError(errno.EDQUOT, "quota")) == "the disk is full"
    assert reason_of(OSError(errno.EIO, "io")) == "the film could not be made (OSError)"
    assert reason_of(StorageUnavailableError("secret url")) == "the storage of files does not answer"
    assert "memory" in reason_of(WorkerDiedError())
    assert "/home" not in reason_of(ValueError("/home/ann/x"))
    ours = type("EncoderError", (Exception,), {"__module__": "appliance.recorder.encoders"})
    assert reason_of(ours("libx264 is not there")) == "the film could not be made: libx264 is not there"
    assert len(reason_of(ours("x" * 9999))) == 200
