"""After a kill a recording is closed where its last whole record ends."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.recorder.journal import Kind, Record, encode, encode_note
from appliance.recorder.manifest import Manifest, TrackFile, read_manifest, write_manifest
from appliance.recorder.recovery import RecoveryError, recover


def _track(name: str) -> TrackFile:
    return TrackFile(
        track=name,
        file=f"tracks/{name}.journal",
        participant_id="prt_1",
        name="Ann",
        source="camera",
        kind="video",
    )


def _folder(path: Path) -> Path:
    (path / "tracks").mkdir()
    tracks = (_track("trk_1"), _track("trk_2"), _track("trk_3"))
    write_manifest(path, Manifest(recording_id="rec_1", meeting_id="m", title="t", started_at_ms=1000, tracks=tracks))
    return path


def _frame(at_us: int) -> bytes:
    return encode(Record(kind=Kind.FRAME, at_us=at_us, payload=b"frame"))


def test_journals_are_cut_and_the_manifest_is_closed(tmp_path: Path) -> None:
    folder = _folder(tmp_path)
    (folder / "tracks/trk_1.journal").write_bytes(_frame(1_000_000) + _frame(4_000_000) + _frame(9_000_000)[:-1])
    (folder / "tracks/trk_2.journal").write_bytes(b"")  # of a tap that gave nothing yet; trk_3 was never made
    (folder / "events.journal").write_bytes(encode_note(4_500_000, b"{}") + b"torn")
    manifest = recover(folder)
    assert (manifest.closed, manifest.recovered, manifest.stopped_at_ms) == (True, True, 4500)
    assert [track.track for track in manifest.tracks] == ["trk_1"]
    assert manifest == read_manifest(folder)
    assert (folder / "tracks/trk_1.journal").read_bytes() == _frame(1_000_000) + _frame(4_000_000)
    assert (folder / "events.journal").read_bytes() == encode_note(4_500_000, b"{}")
    assert recover(folder) == manifest  # again, as after a kill in the middle of it


def test_one_without_any_frame_has_no_length(tmp_path: Path) -> None:
    manifest = recover(_folder(tmp_path))
    assert (manifest.stopped_at_ms, manifest.tracks) == (1000, ())


def test_one_without_a_manifest_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(RecoveryError, match=r"manifest\.json: No such file"):
        recover(tmp_path)
