"""A segment shows the same whether it was made by itself or after the ones before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.recorder.composed import ComposeOptions
from appliance.recorder.composition import moment_us, picture_from
from appliance.recorder.encoders import choose
from appliance.recorder.footage import composition_of, contents_of, size_of
from appliance.recorder.journal import Codec
from appliance.recorder.layout import scenes_of
from appliance.recorder.material import read_material
from appliance.recorder.segments import read_pictures
from tests.support.recorded import Meeting

FPS = 10
OPTIONS = ComposeOptions(height=360, fps=FPS, segment_s=4)


@pytest.mark.parametrize("codec", [Codec.VP8, Codec.VP9, Codec.H264])
def test_a_segment_by_itself_is_the_one_of_the_film(tmp_path: Path, codec: Codec) -> None:
    meeting = Meeting(tmp_path / "rec", 10)
    ann, bob = meeting.join("Ann"), meeting.join("Bob")
    meeting.camera(ann, fps=FPS, codec=codec)
    meeting.camera(bob, 1, 9, fps=FPS, codec=codec)
    meeting.note(3, "speaker", participant_id=bob.participant_id)
    folder = meeting.write()
    material = read_material(folder, lambda share: None)
    scenes = scenes_of(material.cast, "speaker", *size_of(OPTIONS))
    chosen = choose("", "mp4", *size_of(OPTIONS), FPS)
    contents = contents_of(material, scenes, OPTIONS, chosen)
    assert [(content.first, content.count) for content in contents] == [(0, 40), (40, 40), (80, 20)]
    in_turn = composition_of(material, scenes, OPTIONS)
    reported: list[int] = []
    for content in contents:
        path = tmp_path / f"{content.first}"
        in_turn.encode(path, content, chosen, "mp4", threads=1, report=reported.append)
        by_itself = composition_of(material, scenes, OPTIONS)
        learnt = by_itself.encode(tmp_path / "alone", content, chosen, "mp4", threads=1, report=lambda number: None)
        assert (learnt.broken, learnt.missing_glyphs) == ((), "")
        assert list(read_pictures(tmp_path / "alone")) == list(read_pictures(path))
    assert reported == list(range(100))


@pytest.mark.parametrize("fps", [5, 25, 30])
def test_a_scene_begins_with_the_picture_that_shows_it(fps: int) -> None:
    for at_us in (0, 1, 19_999, 20_000, 20_001, 40_000, 999_999, 7_200_000_123):
        number = picture_from(at_us, fps)
        assert moment_us(number, fps) >= at_us
        assert number == 0 or moment_us(number - 1, fps) < at_us
