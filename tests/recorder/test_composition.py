"""A film that was interrupted is the film that was not."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from appliance.recorder import boxes
from appliance.recorder.composition import Composition
from appliance.recorder.encoders import choose
from appliance.recorder.journal import Codec
from appliance.recorder.layout import scenes_of
from appliance.recorder.material import read_material
from appliance.recorder.reel import read_reel
from tests.support.recorded import Meeting

WIDTH, HEIGHT, FPS, SECONDS = 320, 180, 10, 24


class InterruptedByTestError(Exception):
    """As by a kill."""


def _composition(folder: Path) -> Composition:
    material = read_material(folder, lambda share: None)
    scenes = scenes_of(material.cast, "speaker", WIDTH, HEIGHT)
    return Composition(
        scenes,
        width=WIDTH,
        height=HEIGHT,
        fps=FPS,
        duration_us=material.time.duration_us,
        find=material.pictures,
    )


def _encode(folder: Path, reel: Path, *, until: int = 10**9) -> Composition:
    def report(number: int) -> None:
        if number >= until:
            raise InterruptedByTestError

    composition = _composition(folder)
    chosen = choose("libx264", "mp4", WIDTH, HEIGHT, FPS)
    composition.encode(reel, chosen, "mp4", threads=1, report=report)
    return composition


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    meeting = Meeting(tmp_path / "rec", SECONDS)
    ann, bob = meeting.join("Ann"), meeting.join("Bob", 5)
    meeting.camera(ann, fps=FPS)
    meeting.camera(bob, 5, 20, fps=FPS, codec=Codec.VP9)
    meeting.note(11, "speaker", participant_id=bob.participant_id)
    return meeting.write()


def test_each_picture_is_there_once(folder: Path, tmp_path: Path) -> None:
    composition = _encode(folder, tmp_path / "reel")
    assert composition.count == SECONDS * FPS
    assert sorted(picture.pts for picture in read_reel(tmp_path / "reel")) == list(range(SECONDS * FPS))
    assert composition.broken == set()
    assert composition.missing_glyphs == ""
    assert boxes.stage(WIDTH, HEIGHT).width > 0


def test_an_interrupted_film_goes_on(folder: Path, tmp_path: Path) -> None:
    whole, pieces = tmp_path / "whole", tmp_path / "pieces"
    _encode(folder, whole)
    for until in (3, 130, 131, 215):
        with pytest.raises(InterruptedByTestError):
            _encode(folder, pieces, until=until)
    _encode(folder, pieces)
    one, other = list(read_reel(whole)), list(read_reel(pieces))
    assert sorted(picture.pts for picture in other) == list(range(SECONDS * FPS))
    assert all(a.dts < b.dts for a, b in pairwise(other))
    # Up to the key frame from which it went on the very same bytes.
    first = next(number for number, picture in enumerate(one) if picture.is_key and picture.pts > 0)
    assert [picture.payload for picture in one[:first]] == [picture.payload for picture in other[:first]]
