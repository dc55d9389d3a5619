"""The worker process may be killed at any time: called again, it makes the same files."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import av
import msgspec
import pytest

from appliance.recorder.compose_process import Composed, ComposeOptions, compose
from tests.support.recorded import Meeting
from tests.support.waiting import wait_for

OPTIONS = ComposeOptions(height=360, fps=10, encoder="libx264", captions=((0, 900, "Ann", "hello"),), segment_s=3)
_RUN = """
import sys, msgspec
from appliance.recorder.compose_process import ComposeOptions, compose
compose(sys.argv[1], msgspec.json.decode(sys.argv[2], type=ComposeOptions), sys.argv[1] + "/progress.json")
"""

pytestmark = pytest.mark.slow


def _start(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _RUN, str(folder), msgspec.json.encode(OPTIONS).decode()])


def _meeting(folder: Path) -> Path:
    meeting = Meeting(folder, 25)
    ann, bob = meeting.join("Ann"), meeting.join("Bob")
    meeting.camera(ann, size=(640, 360))
    meeting.camera(bob, size=(640, 360))
    meeting.microphone(ann)
    return meeting.write()


def _left(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in (folder / "out").rglob("*") if ".work" not in path.parts)


def _written(folder: Path) -> dict[Path, tuple[int, int]]:
    """Which files these are, and when each was written."""
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


def _segments(folder: Path) -> dict[str, int]:
    """Names and inodes of the film's segments that are there."""
    return {path.name: path.stat().st_ino for path in (folder / "segments").glob("*.segment")}


def _pictures(film: Path) -> list[tuple[float, bytes]]:
    """Times and what is seen."""
    with av.open(film) as opened:
        return [(frame.time, frame.to_ndarray().tobytes()) for frame in opened.decode(video=0)]


def test_killed_again_and_again(tmp_path: Path) -> None:
    chance = random.Random(5)
    folder = _meeting(tmp_path / "rec")
    whole = _meeting(tmp_path / "whole")
    undisturbed = compose(str(whole), OPTIONS, str(whole / "progress.json"))
    assert (undisturbed.segments, undisturbed.segments_taken) == (9, 0)
    # Killed once so many of the segments are there, and a moment into the next one.
    for wanted in sorted(chance.sample(range(1, 9), 3)):
        before = _segments(folder)
        process = _start(folder)
        wait_for(lambda wanted=wanted: len(_segments(folder)) >= wanted, within_s=600, each_s=0.005)
        time.sleep(chance.uniform(0, 0.1))
        process.kill()
        assert process.wait() == -signal.SIGKILL
        after = _segments(folder)
        assert len(after) >= wanted
        assert {name: after[name] for name in before} == before  # what was there was not made again
        said = msgspec.json.decode((folder / "progress.json").read_bytes())
        assert (0 < said["share"] < 1, said["stage"]) == (True, "video")
    there = len(_segments(folder))
    composed = compose(str(folder), OPTIONS, str(folder / "progress.json"))
    assert (composed.segments, composed.segments_taken) == (9, there)
    assert _left(folder) == [
        "out/captions.vtt",
        "out/meeting.mp4",
        "out/summary.json",
        "out/thumbnail.jpg",
        "out/tracks",
        "out/tracks/trk_0.webm",
        "out/tracks/trk_1.webm",
        "out/tracks/trk_2.webm",
    ]
    assert not (folder / "segments").exists()
    pictures = _pictures(folder / "out/meeting.mp4")
    assert [time for time, _ in pictures] == [number / 10 for number in range(250)]
    assert pictures == _pictures(whole / "out/meeting.mp4")
    assert msgspec.structs.replace(composed, segments_taken=0, bytes=0) == msgspec.structs.replace(undisturbed, bytes=0)


def test_killed_at_any_time(tmp_path: Path) -> None:
    chance = random.Random(7)
    folder = _meeting(tmp_path / "rec")
    killed = 0
    for _ in range(4):
        process = _start(folder)
        try:
            process.wait(chance.uniform(0.3, 1.5))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            killed += 1
    assert killed >= 1
    compose(str(folder), OPTIONS, str(folder / "progress.json"))
    assert len(_pictures(folder / "out/meeting.mp4")) == 250


def test_what_is_done_is_not_done_again_and_other_options_are(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "rec", 2)
    meeting.camera(meeting.join("Ann"))
    folder = meeting.write()
    first = compose(str(folder), OPTIONS, str(folder / "progress.json"))
    made = _written(folder / "out")
    assert compose(str(folder), OPTIONS, str(folder / "progress.json")) == first
    assert _written(folder / "out") == made
    assert msgspec.json.decode((folder / "progress.json").read_bytes())["stage"] == "reading"  # and no other began

    other = msgspec.structs.replace(OPTIONS, format="webm", captions=())
    assert compose(str(folder), other, str(folder / "progress.json")).video_codec == "vp9"
    assert _left(folder) == [
        "out/meeting.webm",
        "out/summary.json",
        "out/thumbnail.jpg",
        "out/tracks",
        "out/tracks/trk_0.webm",
    ]
    summary = msgspec.json.decode((folder / "out/summary.json").read_bytes(), type=Composed)
    files = [folder / name for name in _left(folder) if "." in name and "summary" not in name]
    assert summary.bytes == sum(path.stat().st_size for path in files)


def test_options_are_kept_within_their_bounds(tmp_path: Path) -> None:
    folder = Meeting(tmp_path / "rec", 0.5).write()
    options = ComposeOptions(height=9999, fps=500, encoder="libx264")
    composed = compose(str(folder), options, str(folder / "progress.json"))
    assert (composed.width, composed.height) == (1920, 1080)
    with av.open(folder / "out/meeting.mp4") as film:
        assert film.streams.video[0].average_rate == 30
