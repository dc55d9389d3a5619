"""A recording's folder, read: its notes, what is in each journal, and when each frame was.

Owns the first pass over the journals. A journal that is not there is a track without frames.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from appliance.recorder.captions import Caption
from appliance.recorder.cast import Cast, gather
from appliance.recorder.composed import Spoken
from appliance.recorder.frames import Frame, read_frames
from appliance.recorder.journal import Codec, Record, scan
from appliance.recorder.manifest import EVENTS, Manifest, TrackFile, read_manifest
from appliance.recorder.notes import ShownTime, read_notes
from appliance.recorder.pictures import Pictures
from appliance.recorder.survey import FROZEN_US, Survey, survey
from appliance.recorder.timeline import TrackClock, align


@dataclass(frozen=True, slots=True)
class Material:
    """What a film is made of."""

    folder: Path
    manifest: Manifest
    time: ShownTime
    cast: Cast
    surveys: dict[str, Survey]
    """By track."""
    clocks: dict[str, TrackClock]

    def tracks(self, kind: str) -> list[TrackFile]:
        """Tracks of "audio" or "video" that have frames which anybody can decode."""
        return [
            track
            for track in self.manifest.tracks
            if track.kind == kind
            and (codec := self.surveys[track.track].codec) is not Codec.NONE
            and (codec is Codec.OPUS) == (kind == "audio")
        ]

    def frames(self, track: TrackFile, from_offset: int = 0) -> Iterator[Frame]:
        """In order of shown time. OSError."""
        return read_frames(self.folder / track.file, self.clocks[track.track], self.time, from_offset=from_offset)

    def pictures(self, track: str) -> Pictures:
        """Of a video track, from the beginning."""
        file = next(file for file in self.manifest.tracks if file.track == track)
        keys = [(self.time.shown_us(at_us), offset) for at_us, offset in self.surveys[track].keys]
        return Pictures(lambda offset: self.frames(file, offset), keys)

    def captions(self, spoken: Iterable[Spoken]) -> list[Caption]:
        """What was said, at the times of the film: nothing that was paused, and nothing of people who were not
        recorded."""
        found = []
        for said in spoken:
            start_us, end_us = said.start_ms * 1000, said.end_ms * 1000
            if self._is_heard(said.participant_id, start_us, end_us) and not self.time.is_cut((start_us + end_us) // 2):
                start, end = self.time.shown_us(start_us) // 1000, self.time.shown_us(end_us) // 1000
                found.append((start, end, said.name, said.text))
        return found

    def _is_heard(self, participant_id: str, start_us: int, end_us: int) -> bool:
        for track in self.manifest.tracks:
            if track.participant_id == participant_id and track.source == "microphone":
                first_us, last_us = self.surveys[track.track].first_us, self.surveys[track.track].last_us
                if first_us is not None and first_us < end_us and start_us < last_us:
                    return True
        return False

    def begins_us(self, track: TrackFile) -> int:
        """Shown time before which nothing of a track sounds."""
        first_us = self.surveys[track.track].first_us
        # A frame that a burst held back for long was made before it arrived; reading a little early costs nothing.
        return 0 if first_us is None else max(self.time.shown_us(first_us) - _EARLY_US, 0)


_EARLY_US = 10_000_000


def read_material(folder: Path, report: Callable[[float], None]) -> Material:
    """Read a recording's folder through; ``report`` is told the share. ManifestError, OSError."""
    manifest = read_manifest(folder)
    notes = read_notes(_records(folder / EVENTS))
    sizes = {track.track: _size(folder / track.file) for track in manifest.tracks}
    whole, done = sum(sizes.values()) or 1, 0
    stopped_us = None if manifest.stopped_at_ms is None else manifest.stopped_at_ms * 1000
    surveys: dict[str, Survey] = {}
    for track in manifest.tracks:

        def watched(records: Iterator[Record], done: int = done) -> Iterator[Record]:
            for number, record in enumerate(records):
                if number % 1024 == 0:
                    report((done + record.end) / whole)
                yield record

        surveys[track.track] = survey(
            watched(_records(folder / track.file)),
            frozen_us=FROZEN_US.get(track.source),
            stopped_us=stopped_us,
        )
        done += sizes[track.track]
    if stopped_us is None:  # it was never closed: what is there is all there is
        ends = [found.last_us for found in surveys.values()] + [note.at_us for note in notes]
        stopped_us = max(ends, default=manifest.started_at_ms * 1000)
    time = ShownTime(manifest.started_at_ms * 1000, stopped_us, notes)
    owners = {track.track: track.participant_id for track in manifest.tracks}
    clocks = align({track: found.readings for track, found in surveys.items()}, owners)
    return Material(folder, manifest, time, gather(manifest, notes, surveys, time), surveys, clocks)


def _records(path: Path) -> Iterator[Record]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        yield from scan(file)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
