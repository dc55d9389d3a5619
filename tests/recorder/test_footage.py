"""A film that was interrupted is the film that was not, and nothing stale is in it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from appliance.recorder.composed import ComposeOptions
from appliance.recorder.encoders import choose
from appliance.recorder.footage import Footage, alone, bounded, contents_of, shoot, size_of
from appliance.recorder.journal import Codec
from appliance.recorder.layout import scenes_of
from appliance.recorder.material import read_material
from appliance.recorder.segments import Content, Encoded, read_pictures
from tests.support.recorded import Meeting

SECONDS, FPS, SEGMENT_S = 24, 10, 5
OPTIONS = ComposeOptions(height=360, fps=FPS, encoder="libx264", segment_s=SEGMENT_S)


class InterruptedByTestError(Exception):
    """As by a kill."""


def _shoot(folder: Path, segments: Path, *, until: float = 2.0, options: ComposeOptions = OPTIONS) -> Footage:
    def report(share: float) -> None:
        if share >= until:
            raise InterruptedByTestError

    material = read_material(folder, lambda share: None)
    chosen = choose("libx264", "mp4", *size_of(options), options.fps)
    with alone(segments):
        return shoot(segments, material, bounded(options), chosen, report=report)


def _contents(folder: Path) -> list[Content]:
    material = read_material(folder, lambda share: None)
    scenes = scenes_of(material.cast, "speaker", *size_of(OPTIONS))
    return contents_of(material, scenes, OPTIONS, choose("libx264", "mp4", *size_of(OPTIONS), FPS))


def _pictures(footage: Footage) -> list[Encoded]:
    return [picture for path in footage.paths for picture in read_pictures(path)]


def _meeting(folder: Path, **how: Any) -> Meeting:
    meeting = Meeting(folder, SECONDS)
    ann, bob = meeting.join("Ann"), meeting.join("Bob", 5)
    meeting.camera(ann, fps=FPS, **how)
    meeting.camera(bob, 5, 20, fps=FPS, codec=Codec.VP9)
    meeting.note(11, "speaker", participant_id=bob.participant_id)
    return meeting


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return _meeting(tmp_path / "rec").write()


def test_each_picture_is_there_once_and_segments_are_closed(folder: Path, tmp_path: Path) -> None:
    footage = _shoot(folder, tmp_path / "segments")
    assert (footage.count, len(footage.paths), footage.taken) == (SECONDS * FPS, 5, 0)
    pictures = _pictures(footage)
    assert sorted(picture.pts for picture in pictures) == list(range(SECONDS * FPS))
    assert all(a.dts < b.dts for a, b in pairwise(pictures))
    for number, path in enumerate(footage.paths):
        first = next(read_pictures(path))
        assert (first.is_key, first.pts) == (True, number * SEGMENT_S * FPS)
        assert min(picture.pts for picture in read_pictures(path)) == first.pts
    assert footage.broken == set()
    assert footage.missing_glyphs == set()


def test_an_interrupted_film_goes_on_and_is_the_same(folder: Path, tmp_path: Path) -> None:
    whole = _shoot(folder, tmp_path / "whole")
    taken = []
    for until in (0.01, 0.5, 0.55, 0.9):
        with pytest.raises(InterruptedByTestError):
            _shoot(folder, tmp_path / "parts", until=until)
        taken.append(len(list((tmp_path / "parts").glob("*.segment"))))
    assert taken == [0, 2, 2, 4]
    again = _shoot(folder, tmp_path / "parts")
    assert again.taken == 4
    assert _pictures(again) == _pictures(whole)


def test_other_options_and_other_layouts_are_made_anew(folder: Path, tmp_path: Path) -> None:
    segments = tmp_path / "segments"
    _shoot(folder, segments)
    assert _shoot(folder, segments).taken == 5
    for other in (
        ComposeOptions(height=360, fps=FPS, segment_s=SEGMENT_S, layout="grid"),
        ComposeOptions(height=480, fps=FPS, segment_s=SEGMENT_S),
        ComposeOptions(height=480, fps=FPS + 1, segment_s=SEGMENT_S),
        ComposeOptions(height=480, fps=FPS + 1, segment_s=SEGMENT_S + 1),
    ):
        assert _shoot(folder, segments, options=other).taken == 0
        assert _shoot(folder, segments, options=other).taken == -(-SECONDS // other.segment_s)


def test_other_journals_are_made_anew(folder: Path, tmp_path: Path) -> None:
    segments = tmp_path / "segments"
    _shoot(folder, segments)
    other = _meeting(tmp_path / "other", size=(160, 90)).write()
    assert _shoot(other, segments).taken == 0


def test_what_happens_later_leaves_a_segment_as_it_is(folder: Path, tmp_path: Path) -> None:
    before = _contents(folder)
    meeting = _meeting(tmp_path / "longer")
    meeting.note(16, "speaker", participant_id="prt_0")
    after = _contents(meeting.write())
    assert after[:3] == before[:3]
    assert [a == b for a, b in zip(after, before, strict=True)] == [True, True, True, False, False]
    meeting = _meeting(tmp_path / "renamed")
    meeting.note(16, "joined", participant_id="prt_1", name="Robert")
    assert [a == b for a, b in zip(_contents(meeting.write()), before, strict=True)] == [True] + [False] * 4
