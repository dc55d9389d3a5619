"""A recording's folder, read: its notes, what is in each journal, and when each frame was.

Owns the first pass over the journals. A journal that is not there is a track without frames.
"""

from __future__ import annotations

import copy
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
from appliance.recorder.notes import Note, ShownTime, read_notes
from appliance.recorder.pictures import Pictures
from appliance.recorder.survey import FROZEN_US, Survey
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


class Reader:
    """Reads a folder as far as it is written: once, or again and again while it grows."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._manifest: Manifest | None = None
        self._notes: list[Note] = []
        self._surveys: dict[str, Survey] = {}
        self._ends: dict[str, int] = {}

    @property
    def is_closed(self) -> bool:
        """Whether the recording is over."""
        return self._manifest is not None and self._manifest.closed

    @property
    def latest_us(self) -> int:
        """Of the newest record that was read, on the journals' clock."""
        ends = [found.last_us for found in self._surveys.values()] + [note.at_us for note in self._notes]
        started_us = 0 if self._manifest is None else self._manifest.started_at_ms * 1000
        return max(ends, default=started_us)

    def read(self, report: Callable[[float], None] = lambda share: None) -> None:
        """Read what is new; ``report`` is told the share. ManifestError, OSError."""
        self._manifest = manifest = read_manifest(self._folder)
        self._notes = read_notes(_records(self._folder / EVENTS))
        sizes = {track.track: _size(self._folder / track.file) for track in manifest.tracks}
        whole, done = sum(sizes.values()) or 1, 0
        for track in manifest.tracks:
            found = self._surveys.setdefault(track.track, Survey(frozen_us=FROZEN_US.get(track.source)))
            for number, record in enumerate(_records(self._folder / track.file, self._ends.get(track.track, 0))):
                found.add(record)
                self._ends[track.track] = record.end
                if number % 1024 == 0:
                    report((done + record.end) / whole)
            done += sizes[track.track]

    def material(self, *, so_far: bool = False) -> Material:
        """What there is. ``so_far``: more will be read; else the reader has nothing to give any more."""
        manifest = self._manifest
        assert manifest is not None, "nothing was read yet"
        stopped_us = None if manifest.stopped_at_ms is None else manifest.stopped_at_ms * 1000
        surveys = copy.deepcopy(self._surveys) if so_far else self._surveys
        for found in surveys.values():
            found.finish(self.latest_us if so_far else stopped_us)
        if stopped_us is None:  # it is not closed: what is there is all there is
            stopped_us = self.latest_us
        time = ShownTime(manifest.started_at_ms * 1000, stopped_us, self._notes)
        owners = {track.track: track.participant_id for track in manifest.tracks}
        clocks = align({track: found.readings for track, found in surveys.items()}, owners)
        cast = gather(manifest, self._notes, surveys, time)
        return Material(self._folder, manifest, time, cast, surveys, clocks)


def read_material(folder: Path, report: Callable[[float], None]) -> Material:
    """Read a recording's folder through; ``report`` is told the share. ManifestError, OSError."""
    reader = Reader(folder)
    reader.read(report)
    return reader.material()


def _records(path: Path, from_offset: int = 0) -> Iterator[Record]:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        file.seek(from_offset)
        yield from scan(file, from_offset)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
