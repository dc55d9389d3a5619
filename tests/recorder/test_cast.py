"""Who was there when is known from the notes, and from the journals where notes are missing."""

from __future__ import annotations

from typing import Any

from appliance.recorder.cast import Cast, gather
from appliance.recorder.manifest import Manifest, TrackFile
from appliance.recorder.notes import Note, ShownTime
from appliance.recorder.survey import Span, Survey

S = 1_000_000
START = 50 * S


def _track(track: str, who: str, source: str) -> TrackFile:
    kind: Any = "video" if source in ("camera", "screen") else "audio"
    name = who.title()
    return TrackFile(
        track=track,
        file=f"tracks/{track}.journal",
        participant_id=who,
        name=name,
        source=source,  # type: ignore[arg-type]
        kind=kind,
    )


def _survey(first: float, last: float, pictures: list[Span] = [], **also: Any) -> Survey:  # noqa: B006
    found = Survey(frozen_us=None, first_us=START + round(first * S), last_us=START + round(last * S), **also)
    found.pictures = [(START + a * S, START + b * S) for a, b in pictures]
    return found


def _note(at: float, kind: Any, who: str | None = None, **also: Any) -> Note:
    return Note(type=kind, participant_id=who, at_us=START + round(at * S), **also)


def _gather(tracks: list[TrackFile], notes: list[Note], surveys: dict[str, Survey], seconds: int = 20) -> Cast:
    manifest = Manifest(recording_id="r", meeting_id="m", title="T", started_at_ms=START // 1000, tracks=tuple(tracks))
    return gather(manifest, notes, surveys, ShownTime(START, START + seconds * S, notes))


def _spans(spans: Any) -> list[tuple[float, float]]:
    return [(a / S, b / S) for a, b in spans]


def test_notes_say_who_was_there() -> None:
    notes = [
        _note(0, "joined", "ann", name="Ann"),
        _note(5, "joined", "bob", name="Bobby"),
        _note(9, "left", "bob"),
        _note(12, "joined", "bob", name="Bob"),
        _note(3, "speaker", "ann"),
        _note(7, "title", title="New"),
    ]
    cast = _gather([_track("t1", "bob", "camera")], sorted(notes, key=lambda note: note.at_us), {})
    assert [(person.participant_id, person.name) for person in cast.people] == [("ann", "Ann"), ("bob", "Bob")]
    assert _spans(cast.people[1].present) == [(5, 9), (12, 20)]
    assert cast.speakers == ((3 * S, "ann"),)
    assert cast.titles == ((0, "T"), (7 * S, "New"))


def test_a_microphone_is_open_while_it_is_published_and_not_muted() -> None:
    notes = [
        _note(0, "joined", "ann"),
        _note(2, "published", "ann", source="microphone", track="t1"),
        _note(4, "muted", "ann", source="microphone"),
        _note(6, "unmuted", "ann", source="microphone"),
        _note(15, "unpublished", "ann", source="microphone", track="t1"),
    ]
    survey = _survey(2.1, 14.9)
    survey.muted = [(START + 8 * S, START + 9 * S)]
    cast = _gather([_track("t1", "ann", "microphone")], notes, {"t1": survey})
    assert _spans(cast.people[0].heard) == [(2, 4), (6, 8), (9, 15)]


def test_pictures_are_there_while_they_can_be_seen() -> None:
    notes = [
        _note(0, "joined", "ann"),
        _note(1, "published", "ann", source="camera", track="t1"),
        _note(7, "muted", "ann", source="camera"),
        _note(8.5, "unmuted", "ann", source="camera"),
        _note(11, "unpublished", "ann", source="camera", track="t1"),
        _note(12, "published", "ann", source="screen", track="t2"),
        _note(18, "left", "ann"),
    ]
    surveys = {"t1": _survey(1, 11, [(2, 20)]), "t2": _survey(12, 13, [(12, 20)], open_ended=True)}
    cast = _gather([_track("t1", "ann", "camera"), _track("t2", "ann", "screen")], notes, surveys)
    (ann,) = cast.people
    assert [(picture.track, _spans(picture.spans)) for picture in ann.cameras] == [("t1", [(2, 7), (8.5, 11)])]
    assert [(picture.track, _spans(picture.spans)) for picture in ann.screens] == [("t2", [(12, 18)])]


def test_without_notes_the_journals_say_it() -> None:
    surveys = {"t1": _survey(3, 9, [(4, 12)], open_ended=True), "t2": _survey(5, 8)}
    cast = _gather([_track("t1", "ann", "camera"), _track("t2", "bob", "microphone")], [], surveys)
    assert [_spans(person.present) for person in cast.people] == [[(3, 12)], [(5, 8)]]
    assert _spans(cast.people[1].heard) == [(5, 8)]


def test_a_track_after_a_pause_follows_without_a_gap() -> None:
    notes = [
        _note(0, "joined", "ann"),
        _note(0, "published", "ann", source="camera", track="t1"),
        _note(5, "paused"),
        _note(5, "unpublished", "ann", source="camera", track="t1"),
        _note(9, "resumed"),
        _note(9, "published", "ann", source="camera", track="t1_2"),
    ]
    surveys = {"t1": _survey(0, 5, [(0, 5)]), "t1_2": _survey(9.2, 20, [(10, 20)])}
    surveys["t1_2"].pictures = [(START + round(9.4 * S), START + 20 * S)]
    cast = _gather([_track("t1", "ann", "camera"), _track("t1_2", "ann", "camera")], notes, surveys)
    cameras = cast.people[0].cameras
    assert [_spans(picture.spans) for picture in cameras] == [[(0, 5.4)], [(5.4, 16)]]
    assert cast.duration_us == 16 * S


def test_people_without_tracks_are_seen_and_strangers_are_not() -> None:
    cast = _gather([], [_note(0, "joined", "ann", name="Ann"), _note(1, "speaker", "nobody")], {})
    assert [person.name for person in cast.people] == ["Ann"]
    assert cast.people[0].heard == ()
