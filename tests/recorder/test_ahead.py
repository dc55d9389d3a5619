"""The film of a recording that goes on is the film that is made afterwards, and most of it is there already."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.recorder import ahead, boxes
from appliance.recorder.ahead import BEHIND_US
from appliance.recorder.compose_process import Composed, ComposedAhead, ComposeOptions, compose, compose_ahead
from appliance.recorder.journal import Codec
from tests.support.films import beep_times, look
from tests.support.growing import Growing
from tests.support.recorded import Meeting, Network

SECONDS, SEGMENT_S = 50, 5
BEHIND_S = BEHIND_US // 1_000_000
OPTIONS = ComposeOptions(height=360, fps=10, encoder="libx264", segment_s=SEGMENT_S)
SINGLE = boxes.single(640, 360)

pytestmark = pytest.mark.slow


def _meeting(folder: Path, **network: Any) -> Meeting:
    meeting = Meeting(folder, SECONDS)
    ann, bob = meeting.join("Ann", network=Network(**network)), meeting.join("Bob", 12)
    meeting.camera(ann, size=(160, 90), fps=10)
    meeting.microphone(ann)
    meeting.camera(bob, 12, 40, size=(160, 90), fps=10, codec=Codec.VP9)
    meeting.microphone(bob, 12, 40)
    meeting.leave(bob, 40)
    for second in (0, 14, 21, 30):
        meeting.note(second + 0.2, "speaker", participant_id=(ann if second % 4 else bob).participant_id)
    return meeting


def _all_there_is(folder: Path) -> ComposedAhead:
    """Until there is no more to do."""
    for _ in range(100):
        made = compose_ahead(str(folder), OPTIONS)
        if made.is_over or made.wait_s:
            return made
    raise AssertionError("it does not come to an end")


def _finish(folder: Path) -> Composed:
    return compose(str(folder), OPTIONS, str(folder / "progress.json"))


def test_segments_are_made_once_they_are_sure_and_taken_over(tmp_path: Path) -> None:
    whole = _meeting(tmp_path / "whole").write()
    growing = Growing(whole, tmp_path / "rec")
    made_s = []
    for second in range(7, SECONDS, 7):
        growing.until(second, torn=second % 2 == 0)
        made = _all_there_is(growing.folder)
        assert abs(made.recorded_ms / 1000 - second) < 0.2
        assert not made.is_over
        assert 0 < made.wait_s <= SEGMENT_S + max(BEHIND_S - second, 0) + 0.2
        made_s.append(made.made_ms / 1000)
    assert made_s == [0, 0, 0, 5, 10, 20, 25]
    there = {path.name: path.stat().st_ino for path in (growing.folder / "segments").glob("*.segment")}
    assert len(there) == 5
    growing.close()
    assert compose_ahead(str(growing.folder), OPTIONS).is_over
    composed = _finish(growing.folder)
    assert (composed.segments, composed.segments_taken) == (10, 5)
    _is_the_film(growing.folder, whole)


def _is_the_film(folder: Path, whole: Path) -> None:
    """As it would have been without the work ahead."""
    afterwards = _finish(whole)
    assert afterwards.segments_taken == 0
    film, other = folder / "out/meeting.mp4", whole / "out/meeting.mp4"
    (one,), (two,) = look(film, [SINGLE]), look(other, [SINGLE])
    assert one.times == two.times == [number / 10 for number in range(SECONDS * 10)]
    assert one.who == two.who
    assert one.flashes() == two.flashes()
    assert beep_times(film) == beep_times(other)


def test_a_process_that_comes_later_goes_on(tmp_path: Path) -> None:
    growing = Growing(_meeting(tmp_path / "whole").write(), tmp_path / "rec")
    growing.until(33)
    assert compose_ahead(str(growing.folder), OPTIONS).made_ms == 5000
    before = {path.name: path.stat().st_ino for path in (growing.folder / "segments").glob("*.segment")}
    assert len(before) == 1
    ahead._readers.clear()
    growing.until(43)
    assert _all_there_is(growing.folder).made_ms == 20_000
    after = {path.name: path.stat().st_ino for path in (growing.folder / "segments").glob("*.segment")}
    assert len(after) == 4
    assert {name: after[name] for name in before} == before


def test_pauses_are_cut_out(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "whole", SECONDS)
    ann = meeting.join("Ann")
    for begin_s, end_s in ((0, 8), (20, SECONDS)):
        meeting.camera(ann, begin_s, end_s, size=(160, 90), fps=10)
        meeting.microphone(ann, begin_s, end_s)
    meeting.note(8.0, "paused")
    meeting.note(20.0, "resumed")
    growing = Growing(meeting.write(), tmp_path / "rec")
    made_ms = []
    for second in (15, 26, 30, 38, 46):
        growing.until(second)
        made = _all_there_is(growing.folder)
        made_ms.append(made.made_ms)
        assert abs(made.recorded_ms - (8000 + max(second - 20, 0) * 1000)) < 200
    assert made_ms == [0, 5000, 5000, 5000, 10_000]
    growing.close()
    composed = _finish(growing.folder)
    assert (composed.duration_ms, composed.segments_taken) == (38_000, 2)
    (seen,) = look(growing.folder / "out/meeting.mp4", [SINGLE])
    assert set(seen.who[5:]) == {"Ann"}
    beeps = beep_times(growing.folder / "out/meeting.mp4")
    apart = [min(abs(beep - flash) for beep in beeps) for flash in seen.flashes()]
    assert max(apart) < 0.1  # a picture of this film
    assert sorted(apart)[len(apart) // 2] < 0.04


def test_what_turns_out_to_be_stale_is_made_anew(tmp_path: Path) -> None:
    meeting = _meeting(tmp_path / "whole")
    meeting.note(45, "joined", participant_id="prt_1", name="Robert")  # the same one again, with another name
    growing = Growing(meeting.write(), tmp_path / "rec")
    growing.until(44)
    assert _all_there_is(growing.folder).made_ms == 20_000
    growing.until(46)
    assert _all_there_is(growing.folder).made_ms == 25_000  # what is there is left alone meanwhile
    growing.close()
    # Robert was not there in the first two.
    assert _finish(growing.folder).segments_taken == 3
    _is_the_film(growing.folder, tmp_path / "whole")


def test_other_options_afterwards_take_nothing(tmp_path: Path) -> None:
    growing = Growing(_meeting(tmp_path / "whole").write(), tmp_path / "rec")
    growing.until(40)
    assert _all_there_is(growing.folder).made_ms == 20_000
    growing.close()
    other = msgspec.structs.replace(OPTIONS, layout="grid", segment_s=60)
    composed = compose(str(growing.folder), other, str(growing.folder / "progress.json"))
    assert (composed.segments, composed.segments_taken) == (1, 0)


@pytest.mark.parametrize("ppm", [100, -100])
def test_clocks_that_drift_do_not_cost_it(tmp_path: Path, ppm: int) -> None:
    growing = Growing(_meeting(tmp_path / "whole", ntp_ppm=ppm, jitter_s=0.02).write(), tmp_path / "rec")
    for second in (30, 40, 48):
        growing.until(second)
        _all_there_is(growing.folder)
    growing.close()
    assert _finish(growing.folder).segments_taken == 5
