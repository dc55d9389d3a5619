"""A recording's manifest is whole or not there, and believes nothing."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from appliance.recorder.manifest import NAME, Manifest, ManifestError, TrackFile, read_manifest, write_manifest

TRACK = TrackFile(
    track="trk_1",
    file="tracks/trk_1.journal",
    participant_id="prt_1",
    name="Ann",
    source="camera",
    kind="video",
)
MANIFEST = Manifest(recording_id="rec_1", meeting_id="mtg_1", title="Monday", started_at_ms=5, tracks=(TRACK,))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    write_manifest(tmp_path, MANIFEST)
    assert read_manifest(tmp_path) == MANIFEST
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    write_manifest(tmp_path, Manifest(**{**_fields(MANIFEST), "closed": True}))
    assert read_manifest(tmp_path).closed
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_a_write_that_fails_leaves_the_one_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_manifest(tmp_path, MANIFEST)

    def refuse(_descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space"):
        write_manifest(tmp_path, Manifest(**{**_fields(MANIFEST), "title": "other"}))
    assert read_manifest(tmp_path) == MANIFEST


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "JSON is malformed|truncated"),
        ("{}", "recording_id"),
        ('{"format": 2}', "format|recording_id"),
        ("[" * 100_000, "."),
    ],
)
def test_rubbish_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / NAME).write_text(text)
    with pytest.raises(ManifestError, match=problem):
        read_manifest(tmp_path)


@pytest.mark.parametrize("file", ["../secret.key", "tracks/../../x.journal", "/etc/passwd", "tracks/a b.journal", ""])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, file: str) -> None:
    track = TrackFile(**{**_fields(TRACK), "file": file})
    write_manifest(tmp_path, Manifest(**{**_fields(MANIFEST), "tracks": (track,)}))
    with pytest.raises(ManifestError, match="no journal's name"):
        read_manifest(tmp_path)


def test_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="No such file"):
        read_manifest(tmp_path)


def _fields(struct: Manifest | TrackFile) -> dict[str, Any]:
    return {name: getattr(struct, name) for name in struct.__struct_fields__}
