"""Who was there when, with which pictures, and who spoke: what a layout is made from; pure.

Owns how the notes, the manifest and what was found in the journals are put together, whichever of them is missing.
All times are shown times in µs, from zero to the recording's duration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from appliance.recorder.manifest import Manifest, TrackFile
from appliance.recorder.notes import Note, ShownTime
from appliance.recorder.spans import Span, common, united, without
from appliance.recorder.survey import Survey

# A track that is published anew, after a pause or a reconnection: nobody wants to see the initials flash up.
_BRIDGED_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Picture:
    """A video track while it has something to show."""

    track: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Person:
    """One participant."""

    participant_id: str
    name: str
    present: tuple[Span, ...]
    heard: tuple[Span, ...]
    """While a microphone is open."""
    cameras: tuple[Picture, ...] = ()
    screens: tuple[Picture, ...] = ()


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody, in the order in which they came."""

    people: tuple[Person, ...]
    speakers: tuple[tuple[int, str | None], ...]
    """(from, who speaks above the others)."""
    titles: tuple[tuple[int, str], ...]
    duration_us: int


def gather(manifest: Manifest, notes: Sequence[Note], surveys: Mapping[str, Survey], time: ShownTime) -> Cast:
    """The cast of a recording; ``surveys`` by track."""
    whole = (0, time.duration_us)
    named = {note.participant_id: note.name for note in notes if note.type == "joined" and note.participant_id}
    names = {track.participant_id: track.name for track in manifest.tracks} | named
    order = dict.fromkeys(
        [note.participant_id for note in notes if note.type in ("joined", "published") and note.participant_id]
        + [track.participant_id for track in manifest.tracks]
    )
    people = []
    for participant_id in order:
        theirs = [note for note in notes if note.participant_id == participant_id]
        tracks = [track for track in manifest.tracks if track.participant_id == participant_id]
        published = {track.track: _published(track, theirs, surveys.get(track.track), time) for track in tracks}
        present = common([whole], [*_between(theirs, "joined", "left", time), *_flat(published.values())])
        if present:
            name = names.get(participant_id, "")
            people.append(_person(participant_id, name, theirs, tracks, published, surveys, time))
    return Cast(
        people=tuple(people),
        speakers=tuple((time.shown_us(note.at_us), note.participant_id) for note in notes if note.type == "speaker"),
        titles=(
            (0, manifest.title),
            *((time.shown_us(note.at_us), note.title) for note in notes if note.type == "title"),
        ),
        duration_us=time.duration_us,
    )


def _person(
    participant_id: str,
    name: str,
    notes: Sequence[Note],
    tracks: Sequence[TrackFile],
    published: Mapping[str, list[Span]],
    surveys: Mapping[str, Survey],
    time: ShownTime,
) -> Person:
    present = united([*_between(notes, "joined", "left", time), *_flat(published.values())])
    heard: list[Span] = []
    pictures: dict[str, list[Picture]] = {"camera": [], "screen": []}
    for track in tracks:
        found = surveys.get(track.track)
        if found is None:
            continue
        muted = _between([note for note in notes if note.source == track.source], "muted", "unmuted", time)
        if track.source == "microphone":
            heard += without(published[track.track], [*muted, *_shown(found.muted, time)])
        elif track.source in pictures:
            seen = without(common(_shown(found.pictures, time), published[track.track]), muted)
            if seen:
                pictures[track.source].append(Picture(track.track, tuple(seen)))
    return Person(
        participant_id,
        name,
        tuple(present),
        tuple(united(heard, bridged=_BRIDGED_US // 2)),
        _bridged(pictures["camera"]),
        _bridged(pictures["screen"]),
    )


def _published(track: TrackFile, notes: Sequence[Note], found: Survey | None, time: ShownTime) -> list[Span]:
    """When a track was there: as the notes say, or from its first frame to its last."""
    if found is None or found.first_us is None:
        return []
    theirs = [note for note in notes if note.track == track.track]
    start_us = next((note.at_us for note in theirs if note.type == "published"), found.first_us)
    end_us = next((note.at_us for note in theirs if note.type == "unpublished"), None)
    left = next((note.at_us for note in notes if note.type == "left" and note.at_us >= found.last_us), None)
    ends = [at_us for at_us in (end_us, left) if at_us is not None]
    if not ends:
        still = found.pictures[-1][1] if found.open_ended else found.last_us
        ends = [max(still, found.last_us)]
    return _shown([(min(start_us, found.first_us), min(ends))], time)


def _bridged(pictures: list[Picture]) -> tuple[Picture, ...]:
    """Each one lasts until the next, when that is only a moment away."""
    starts = sorted(span[0] for picture in pictures for span in picture.spans)
    bridged = []
    for picture in sorted(pictures, key=lambda picture: picture.spans[0]):
        spans = []
        for start, end in picture.spans:
            following = next((at for at in starts if at >= end), None)
            spans.append((start, following if following is not None and following - end < _BRIDGED_US else end))
        bridged.append(Picture(picture.track, tuple(united(spans))))
    return tuple(bridged)


def _between(notes: Iterable[Note], begin: str, end: str, time: ShownTime) -> list[Span]:
    spans = []
    since: int | None = None
    for note in notes:
        if note.type == begin and since is None:
            since = note.at_us
        elif note.type == end and since is not None:
            spans.append((since, note.at_us))
            since = None
    if since is not None:
        spans.append((since, time.stopped_us))
    return _shown(spans, time)


def _shown(spans: Iterable[Span], time: ShownTime) -> list[Span]:
    return united((time.shown_us(start), time.shown_us(end)) for start, end in spans)


def _flat(spans: Iterable[list[Span]]) -> list[Span]:
    return [span for some in spans for span in some]
