"""Journals hold what the taps gave, in order; a full disk ends the recording and nothing else."""

from __future__ import annotations

import errno
import io
import json
import os
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from pathlib import Path

import pytest
import trio

from appliance.recorder.journal import scan
from appliance.recorder.manifest import Manifest, TrackFile, read_manifest
from appliance.recorder.writer import DiskError, RecordingWriter, create
from tests.support.still_media import StillTap


def track(name: str) -> TrackFile:
    return TrackFile(
        track=name,
        file=f"tracks/{name}.journal",
        participant_id="prt_1",
        name="Ann",
        source="camera",
        kind="video",
    )


def _writer(root: Path, *, min_free_bytes: int = 0) -> tuple[RecordingWriter, Path]:
    manifest = Manifest(recording_id="rec_1", meeting_id="mtg_1", title="Monday", started_at_ms=5)
    folder = create(root, manifest, min_free_bytes=min_free_bytes)
    clock = count(1_000_000)
    limiter = trio.CapacityLimiter(1)
    writer = RecordingWriter(
        folder, manifest, clock_us=lambda: next(clock), min_free_bytes=min_free_bytes, limiter=limiter
    )
    return writer, folder


@asynccontextmanager
async def _served(writer: RecordingWriter) -> AsyncIterator[None]:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(writer.serve)
        yield
        nursery.cancel_scope.cancel()


async def _until(condition: object) -> None:
    with trio.fail_after(5):
        while not condition():  # type: ignore[operator]  # noqa: ASYNC110  # a thread changes it
            await trio.sleep(0.01)


async def test_what_taps_give_is_written_in_order_and_named_in_the_manifest(tmp_path: Path) -> None:
    writer, folder = _writer(tmp_path)
    one, two = StillTap(), StillTap()
    async with _served(writer):
        writer.add(track("trk_1"), one)
        one.waiting = b"first "
        await _until(lambda: not one.waiting)
        writer.add(track("trk_2"), two)
        one.waiting, two.waiting = b"second", b"other"
        await _until(lambda: not (one.waiting or two.waiting))
        one.waiting = b" rest"
        writer.end("trk_1")
        writer.note({"type": "left", "participant_id": "prt_1"})
        assert one.closed
        await _until(lambda: not one.waiting)
        one.waiting = b"too late"
        two.waiting = b" and more"
    manifest = await writer.finish(stopped_at_ms=9, reason="asked")
    assert (folder / "tracks/trk_1.journal").read_bytes() == b"first second rest"
    assert (folder / "tracks/trk_2.journal").read_bytes() == b"other and more"
    assert two.closed
    assert manifest == read_manifest(folder)
    assert (manifest.closed, manifest.stopped_at_ms, manifest.reason) == (True, 9, "asked")
    assert [t.track for t in manifest.tracks] == ["trk_1", "trk_2"]
    (record,) = scan(io.BytesIO((folder / "events.journal").read_bytes()))
    assert json.loads(record.payload) == {"type": "left", "participant_id": "prt_1"}
    assert record.at_us == 1_000_000
    assert writer.bytes_written == sum(path.stat().st_size for path in folder.rglob("*.journal"))


async def test_a_tap_that_ends_by_itself_is_written_to_its_end(tmp_path: Path) -> None:
    writer, folder = _writer(tmp_path)
    tap = StillTap()
    tap.waiting, tap.ended, tap.lost = b"all", True, 3
    async with _served(writer):
        writer.add(track("trk_1"), tap)
        await _until(lambda: not tap.waiting)
    await writer.finish(stopped_at_ms=9, reason="asked")
    assert (folder / "tracks/trk_1.journal").read_bytes() == b"all"
    assert writer.lost == 3


async def test_a_full_disk_is_told_and_what_was_written_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer, folder = _writer(tmp_path)
    tap = StillTap()
    writer.add(track("trk_1"), tap)
    tap.waiting = b"kept"
    real = os.write

    def write(descriptor: int, data: bytes) -> int:
        if bytes(data) == b"refused":
            raise OSError(errno.ENOSPC, "No space left on device")
        return real(descriptor, data)

    monkeypatch.setattr(os, "write", write)
    with pytest.RaisesGroup(pytest.RaisesExc(DiskError, match="disk full")):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(writer.serve)
            await _until(lambda: not tap.waiting)
            tap.waiting = b"refused"
    monkeypatch.undo()
    manifest = await writer.finish(stopped_at_ms=9, reason="disk full")
    assert (folder / "tracks/trk_1.journal").read_bytes() == b"kept"
    assert manifest.closed and read_manifest(folder).reason == "disk full"


async def test_it_stops_before_the_disk_is_full(tmp_path: Path) -> None:
    writer, _ = _writer(tmp_path)
    writer._min_free_bytes = 2**62
    with pytest.raises(DiskError, match="disk full"), trio.fail_after(5):
        await writer.serve()
    await writer.finish(stopped_at_ms=9, reason="disk full")


def test_nothing_begins_on_a_full_disk(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match="disk full"):
        _writer(tmp_path, min_free_bytes=2**62)
    assert not (tmp_path / "rec_1").exists()


def test_a_start_that_the_disk_refuses_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))  # folders, and no byte in any file
    try:
        with pytest.raises(DiskError, match="disk failed: File too large"):
            _writer(tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DiskError, match="disk failed: "):
        _writer(tmp_path / "file")


async def test_notes_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.recorder.writer._MOST_NOTES", 2)
    writer, _ = _writer(tmp_path)
    for number in range(3):
        writer.note({"n": number})
    assert writer.lost == 1
    await writer.finish(stopped_at_ms=9, reason="asked")
