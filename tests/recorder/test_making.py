"""Films of synthetic meetings show everybody in the right place at the right time, in step with the sound."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import av
import msgspec
import pytest

from appliance.recorder import boxes
from appliance.recorder.compose_process import Composed, ComposeOptions, compose
from appliance.recorder.composed import Spoken
from appliance.recorder.journal import KEY_FRAME, Codec, Kind, Record
from tests.support.films import beep_times, look
from tests.support.recorded import START_US, Meeting, Network, lost, pictures

WIDTH, HEIGHT = 640, 360
STAGE = boxes.stage(WIDTH, HEIGHT)
SINGLE = boxes.single(WIDTH, HEIGHT)

pytestmark = pytest.mark.slow


def strip(count: int) -> list[boxes.Box]:
    return boxes.strip(WIDTH, HEIGHT, count)


def make(folder: Path, **options: Any) -> Composed:
    how = {"height": HEIGHT, "encoder": "libx264", **options}
    return compose(str(folder), ComposeOptions(**how), str(folder / "progress.json"))


def film(folder: Path) -> Path:
    return folder / "out" / "meeting.mp4"


def apart_ms(flashes: list[float], beeps: list[float]) -> float:
    """The most that a flash was from its beep."""
    assert flashes
    assert beeps
    nearest = [min(beeps, key=lambda beep: abs(beep - flash)) for flash in flashes]
    return max(abs(flash - beep) for flash, beep in zip(flashes, nearest, strict=True)) * 1000


def test_three_people_come_speak_and_go(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "rec", 10)
    ann, bob = meeting.join("Ann"), meeting.join("Bob")
    lei = meeting.join("李雷", 2.0)
    meeting.camera(ann)
    meeting.microphone(ann)
    meeting.camera(bob, codec=Codec.VP9)
    meeting.microphone(bob, silent=lambda at_s: True)
    meeting.camera(lei, 2, 8, codec=Codec.H264)
    meeting.leave(lei, 8.0)
    meeting.note(0.2, "speaker", participant_id=ann.participant_id)
    meeting.note(5.0, "speaker", participant_id=bob.participant_id)
    folder = meeting.write()
    composed = make(folder)

    large, first, second = look(film(folder), [STAGE, *strip(2)])
    assert [large.at(1), large.at(4.5), large.at(5.6), large.at(9)] == ["Ann", "Ann", "Bob", "Bob"]
    assert [first.at(4.5), second.at(4.5)] == ["Bob", "李雷"]
    assert [first.at(7), second.at(7)] == ["Ann", "李雷"]
    assert abs(second.first("李雷") - 2.03) < 0.3
    (alone,) = look(film(folder), strip(1))
    assert [alone.at(1), alone.at(9)] == ["Bob", "Ann"]

    flashes = large.flashes()
    assert len(flashes) >= 8
    assert apart_ms(flashes, beep_times(film(folder))) < 40
    assert composed.duration_ms == 10_000
    with av.open(film(folder)) as made:
        assert abs(made.duration / 1e6 - 10) < 0.5
        assert [stream.codec_context.name for stream in made.streams if stream.type != "data"] == ["h264", "aac"]
        assert made.streams.video[0].average_rate == 25
    assert (composed.width, composed.height, composed.encoder) == (WIDTH, HEIGHT, "libx264")
    assert [track.codec for track in composed.tracks] == ["vp8", "opus", "vp9", "h264"]
    assert msgspec.json.decode((folder / "out/summary.json").read_bytes(), type=Composed) == composed


@pytest.mark.parametrize("ppm", [400, -400])
def test_clocks_that_drift_stay_in_step(tmp_path: Path, ppm: int) -> None:
    """Of the sound card against the computer, and of the computer against the server; as much as 100 ppm in 160 s.

    Over four hours: test_timeline.py.
    """
    meeting = Meeting(tmp_path / "rec", 40)
    ann = meeting.join("Ann", network=Network(ntp_ppm=-ppm, reported=lambda at_s: not 10 < at_s < 30))
    meeting.camera(ann, size=(160, 90), fps=10)
    meeting.microphone(ann, rtp_ppm=ppm)
    folder = meeting.write()
    make(folder, fps=10)
    (large,) = look(film(folder), [SINGLE])
    flashes, beeps = large.flashes(), beep_times(film(folder))
    assert len(flashes) >= 38
    assert len(beeps) >= 38
    # Half a picture is 50 ms here; the middle says what the clocks did.
    offsets = sorted(min((beep - flash for beep in beeps), key=abs) for flash in flashes)
    assert abs(offsets[len(offsets) // 2]) < 0.04
    assert max(map(abs, offsets)) < 0.09


def test_a_muted_microphone_and_a_camera_that_is_turned_off(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "rec", 8)
    ann = meeting.join("Ann")
    meeting.camera(ann, between=[(3.0, Kind.MUTED), (6.0, Kind.UNMUTED)], change=_without(3.0, 6.0))
    meeting.microphone(ann, silent=lambda at_s: 2.5 < at_s < 5.5)
    folder = meeting.write()
    make(folder)
    (large,) = look(film(folder), [SINGLE])
    assert [large.at(2.5), large.at(4), large.at(5.5), large.at(7)] == ["Ann", "initials", "initials", "Ann"]
    assert [round(beep) for beep in beep_times(film(folder))] == [0, 1, 2, 6, 7]


def _without(from_s: float, to_s: float) -> Any:
    """Nothing is sent between; a key frame is first afterwards."""
    from tests.support.recorded import START_US

    def change(record: Record) -> Record | None:
        second = (record.at_us - START_US) / 1e6
        return None if record.kind == Kind.FRAME and from_s + 0.05 < second < to_s + 0.02 else record

    return change


def test_a_pause_is_cut_out(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "rec", 12)
    ann = meeting.join("Ann")
    for begin_s, end_s in ((0, 4), (9, 12)):
        meeting.camera(ann, begin_s, end_s)
        meeting.microphone(ann, begin_s, end_s)
    meeting.note(4.0, "paused")
    meeting.note(9.0, "resumed")
    folder = meeting.write()
    composed = make(folder)
    assert composed.duration_ms == 7000
    (large,) = look(film(folder), [SINGLE])
    assert abs(large.times[-1] - 7) < 0.1
    assert [large.at(second) for second in (1, 3.5, 4.3, 6.5)] == ["Ann"] * 4
    flashes, beeps = large.flashes(), beep_times(film(folder))
    assert [round(flash, 1) for flash in flashes if flash > 4.5] == [5.0, 6.0]
    assert apart_ms(flashes, beeps) < 40


def test_a_shared_screen_takes_the_large_place(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "rec", 8)
    ann, bob = meeting.join("Ann"), meeting.join("Bob")
    meeting.camera(ann)
    meeting.camera(bob)
    dora = pictures(Codec.VP8, (190, 190), 480, 270, 25)  # what Ann shares has Dora's colour
    meeting.video(ann, "screen", 2, 6, loop=dora)  # within the first moments
    folder = meeting.write()
    composed = make(folder)
    large, first, second = look(film(folder), [STAGE, *strip(2)])
    assert [large.at(1), large.at(3), large.at(5.5), large.at(7)] == ["Ann", "Dora", "Dora", "Ann"]
    assert [first.at(4), second.at(4)] == ["Ann", "Bob"]
    assert [(chapter.title, round(chapter.start_ms / 1000)) for chapter in composed.chapters] == [("Ann: screen", 0)]


def test_a_shared_screen_that_stands_still_is_seen_until_it_ends(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "rec", 16)
    ann = meeting.join("Ann")
    dora = pictures(Codec.VP8, (190, 190), 480, 270, 25)
    meeting.video(ann, "screen", 1, 15, loop=dora, change=_without(2.0, 30.0))
    folder = meeting.write()
    make(folder)
    (large,) = look(film(folder), [STAGE])
    assert [large.at(second) for second in (2, 10, 14.8)] == ["Dora"] * 3
    assert large.at(15.8) != "Dora"


def test_a_simulcast_layer_is_switched(tmp_path: Path) -> None:
    """Every two seconds a key frame, on which the layers change; each has RTP timestamps of its own."""
    meeting = Meeting(tmp_path / "rec", 8)
    ann = meeting.join("Ann")
    low, high = pictures(Codec.VP8, ann.colour, 160, 90), pictures(Codec.VP8, ann.colour, 640, 360)
    frames = ((number / 25, *(high if 2 <= number / 25 < 6 else low)[number % len(low)]) for number in range(8 * 25))
    meeting.track(ann, "camera", Codec.VP8, 90_000, frames, 8, layer=lambda at_s: 2 if 2 <= at_s < 6 else 0)
    meeting.microphone(ann)
    folder = meeting.write()
    make(folder)
    (large,) = look(film(folder), [SINGLE])
    flashes = large.flashes()
    assert len(flashes) >= 7
    assert apart_ms(flashes, beep_times(film(folder))) < 40
    assert set(large.who[5:]) == {"Ann"}


def test_garbage_costs_its_own_track_only(tmp_path: Path) -> None:
    chance = random.Random(7)

    def garbage(record: Record) -> Record:
        return msgspec.structs.replace(record, payload=chance.randbytes(len(record.payload)))

    def no_opus(record: Record) -> Record:
        """A code 3 packet with no frames in it (RFC 6716 §3.2.5); random bytes would be noise, and heard."""
        return msgspec.structs.replace(record, payload=b"\xff\x00") if record.kind == Kind.FRAME else record

    def garbage_for_a_while(record: Record) -> Record:
        from tests.support.recorded import START_US

        return garbage(record) if 3 < (record.at_us - START_US) / 1e6 < 4 and record.kind == Kind.FRAME else record

    meeting = Meeting(tmp_path / "rec", 8)
    ann, bob, lei, dora = (meeting.join(name) for name in ("Ann", "Bob", "李雷", "Dora"))
    meeting.camera(ann)
    meeting.microphone(ann)
    hostile = [
        meeting.camera(bob, change=garbage),
        meeting.microphone(bob, change=no_opus),
        meeting.camera(lei, codec=Codec.H264, change=garbage),
        meeting.camera(dora, codec=Codec.VP9, change=garbage_for_a_while),
    ]
    folder = meeting.write()
    composed = make(folder)
    large, *beside = look(film(folder), [STAGE, *strip(3)])
    assert large.at(1) == large.at(7) == "Ann"
    assert apart_ms(large.flashes(), beep_times(film(folder))) < 40
    assert beside[2].at(2) == beside[2].at(7) == "Dora"
    assert "Bob" not in beside[0].who
    assert set(composed.broken_tracks) >= set(hostile)
    names = [track.track for track in composed.tracks]
    assert "trk_0" in names
    assert "trk_1" in names


def test_after_a_loss_the_last_picture_stands(tmp_path: Path) -> None:
    from tests.support.recorded import START_US

    def after_loss(record: Record) -> Record:
        second = (record.at_us - START_US) / 1e6
        if record.kind == Kind.FRAME and 2.5 < second < 4.0 and not record.flags & KEY_FRAME:
            return lost(record)
        return record

    meeting = Meeting(tmp_path / "rec", 6)
    ann = meeting.join("Ann")
    meeting.camera(ann, change=after_loss)
    folder = meeting.write()
    make(folder)
    (large,) = look(film(folder), [SINGLE])
    assert set(large.who[5:]) == {"Ann"}
    assert [round(flash) for flash in large.flashes() if flash > 0.5] == [1, 2, 4, 5]  # none of second 3


def test_torn_journals_play_to_where_they_were_torn(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "rec", 6)
    ann = meeting.join("Ann")
    video, audio = meeting.camera(ann), meeting.microphone(ann)
    folder = meeting.write(closed=False)
    for name, share in ((video, 0.7), (audio, 0.7)):
        path = folder / "tracks" / f"{name}.journal"
        data = bytearray(path.read_bytes()[: int(path.stat().st_size * share)])
        data[len(data) // 2] ^= 0x10
        path.write_bytes(data)
    composed = make(folder)
    (large,) = look(film(folder), [SINGLE])
    assert 3.0 < composed.duration_ms / 1000 < 5.5
    assert abs(large.times[-1] * 1000 - composed.duration_ms) < 100
    assert large.who[-3] == "Ann"
    assert len(beep_times(film(folder))) >= 3


def test_one_without_anything_is_still_a_film(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "rec", 2)
    folder = meeting.write()
    composed = make(folder)
    assert (composed.tracks, composed.loudness_lufs) == ((), None)
    (nothing,) = look(film(folder), [SINGLE])
    assert set(nothing.who) == {""}
    assert len(nothing.who) == 50


def test_a_film_in_the_webs_own_format(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "rec", 4)
    ann = meeting.join("Ann")
    meeting.camera(ann, codec=Codec.AV1)
    meeting.microphone(ann)
    folder = meeting.write()
    captions = ((500, 2500, "Ann", "good morning"),)
    composed = make(folder, format="webm", encoder="auto", captions=captions)
    made = folder / "out" / "meeting.webm"
    (large,) = look(made, [SINGLE])
    assert large.at(2) == "Ann"
    assert apart_ms(large.flashes(), beep_times(made)) < 40
    assert (composed.video_codec, composed.encoder) == ("vp9", "libvpx-vp9")
    assert [track.codec for track in composed.tracks] == ["av1", "opus"]
    with av.open(made) as film_:
        assert [stream.type for stream in film_.streams] == ["video", "audio", "subtitle"]


def test_captions_chapters_and_title_are_in_the_container(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "rec", 3, title="预算 2027")
    meeting.microphone(meeting.join("Ann"))
    folder = meeting.write()
    captions = ((0, 1000, "Ann", "one"), (1500, 9000, "Ann", "two <3"), (5000, 6000, "Ann", "never"))
    composed = make(folder, captions=captions, layout="grid")
    assert (folder / "out/captions.vtt").read_text().splitlines()[2:] == [
        "00:00:00.000 --> 00:00:01.000",
        "<v Ann>one",
        "",
        "00:00:01.500 --> 00:00:03.000",
        "<v Ann>two &lt;3",
    ]
    with av.open(film(folder)) as made:
        assert made.metadata["title"] == "预算 2027"
        assert [chapter["metadata"]["title"] for chapter in made.chapters()] == ["预算 2027"]
        texts = [bytes(packet)[2:].decode() for packet in made.demux(subtitles=0) if packet.size > 2]
    assert texts == ["Ann: one", "Ann: two <3"]
    assert composed.chapters[0].start_ms == 0
    assert (folder / "out/thumbnail.jpg").read_bytes()[:2] == b"\xff\xd8"
    # The index is in front, so that a player begins at once.
    data = film(folder).read_bytes()
    assert data.index(b"moov") < data.index(b"mdat")


def test_what_the_transcript_has_is_in_the_film_where_it_was_said(tmp_path: Path) -> None:
    meeting = Meeting(tmp_path / "rec", 8)
    ann, bob = meeting.join("Ann"), meeting.join("Bob")
    meeting.microphone(ann)
    meeting.note(2.0, "paused")
    meeting.note(5.0, "resumed")
    folder = meeting.write()

    def said(who: object, start_s: float, end_s: float, text: str) -> Spoken:
        participant_id, name = who.participant_id, who.name  # type: ignore[attr-defined]
        start_ms = START_US // 1000 + round(start_s * 1000)
        return Spoken(start_ms, start_ms + round((end_s - start_s) * 1000), participant_id, name, text)

    spoken = (
        said(ann, 0.5, 1.5, "first"),
        said(ann, 3, 4, "while it was paused"),
        said(ann, 6, 7, "after the pause"),
        said(ann, 60, 61, "after the end"),
        said(bob, 1, 2, "by who did not agree"),
    )
    make(folder, spoken=spoken, format="mp4")
    assert (folder / "out/captions.vtt").read_text() == (
        "WEBVTT\n\n00:00:00.500 --> 00:00:01.500\n<v Ann>first\n\n"
        "00:00:03.000 --> 00:00:04.000\n<v Ann>after the pause\n"
    )
    with av.open(film(folder)) as made:
        texts = [bytes(packet)[2:].decode() for packet in made.demux(subtitles=0) if packet.size > 2]
    assert texts == ["Ann: first", "Ann: after the pause"]
