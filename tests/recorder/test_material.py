"""A folder is read whatever is missing in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.recorder.journal import Codec
from appliance.recorder.manifest import EVENTS, ManifestError
from appliance.recorder.material import read_material
from tests.support.recorded import Meeting


def test_tracks_of_a_meeting(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "rec", 3)
    ann = meeting.join("Ann")
    video, audio = meeting.camera(ann, codec=Codec.VP9), meeting.microphone(ann, 1)
    folder = meeting.write()
    shares: list[float] = []
    material = read_material(folder, shares.append)
    assert [track.track for track in material.tracks("video")] == [video]
    assert [track.track for track in material.tracks("audio")] == [audio]
    assert shares == sorted(shares)
    assert 0 < shares[-1] <= 1
    assert material.surveys[video].codec is Codec.VP9
    assert material.time.duration_us == 3_000_000
    frames = list(material.frames(material.tracks("audio")[0]))
    assert len(frames) == 100
    assert abs(frames[0].at_us - 1_030_000) < 15_000
    pictures = material.pictures(video)
    pictures.advance(2_000_000)
    assert pictures.picture is not None


def test_journals_that_are_not_there_are_tracks_without_frames(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "rec", 3)
    ann = meeting.join("Ann")
    video = meeting.camera(ann)
    meeting.microphone(ann)
    folder = meeting.write(closed=False)
    (folder / "tracks" / f"{video}.journal").unlink()
    (folder / EVENTS).unlink()
    material = read_material(folder, lambda share: None)
    assert material.tracks("video") == []
    assert [person.name for person in material.cast.people] == ["Ann"]
    assert abs(material.time.duration_us - 3_000_000) < 150_000


def test_a_link_in_the_place_of_a_journal_is_not_followed(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "rec", 1)
    video = meeting.camera(meeting.join("Ann"))
    folder = meeting.write()
    journal = folder / "tracks" / f"{video}.journal"
    journal.rename(tmp_path / "elsewhere")
    journal.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(OSError, match="symbolic links"):
        read_material(folder, lambda share: None)


def test_without_a_manifest_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(ManifestError):
        read_material(tmp_path, lambda share: None)
