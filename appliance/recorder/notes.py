"""The events journal, understood: who came, spoke, shared and left, and which spans are cut out; pure.

Owns the shape of the notes that the server writes while it records; refuses to know what is made of them. A note that
cannot be read is passed over: a recording is worth more than a word about it.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable
from typing import Literal

import msgspec

from appliance.recorder.journal import Kind, Record

Source = Literal["microphone", "camera", "screen", "screen_audio"]
NoteType = Literal[
    "joined", "left", "muted", "unmuted", "speaker", "published", "unpublished", "paused", "resumed", "title"
]


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """What happened, and when (``at_us``, µs since the Unix epoch)."""

    type: NoteType
    participant_id: str | None = None
    """Of ``speaker``: who speaks above the others now, None when nobody does."""
    name: str = ""
    source: Source | None = None
    track: str | None = None
    title: str = ""
    at_us: int = 0


def read_notes(records: Iterable[Record]) -> list[Note]:
    """The notes of an events journal, in order of time."""
    notes = []
    for record in records:
        if record.kind != Kind.NOTE:
            continue
        try:
            note = msgspec.json.decode(record.payload, type=Note)
        except (msgspec.DecodeError, UnicodeDecodeError):  # of a later version, or damaged before it was sealed
            continue
        notes.append(msgspec.structs.replace(note, at_us=record.at_us))
    return sorted(notes, key=lambda note: note.at_us)


class ShownTime:
    """From the server's clock to the time that a viewer sees: zero at the start, pauses cut out."""

    def __init__(self, started_us: int, stopped_us: int, notes: Iterable[Note] = ()) -> None:
        """``notes`` in order of time; a pause that never ended lasts until the stop."""
        self.started_us = started_us
        self.stopped_us = max(started_us, stopped_us)
        self._from: list[int] = []
        self._to: list[int] = []
        self._cut: list[int] = [0]
        """What was cut out before each pause."""
        since: int | None = None
        for note in notes:
            at_us = min(max(note.at_us, self.started_us), self.stopped_us)
            if note.type == "paused" and since is None:
                since = at_us
            elif note.type == "resumed" and since is not None:
                self._cut_out(since, at_us)
                since = None
        if since is not None:
            self._cut_out(since, self.stopped_us)

    def _cut_out(self, from_us: int, to_us: int) -> None:
        self._from.append(from_us)
        self._to.append(to_us)
        self._cut.append(self._cut[-1] + to_us - from_us)

    @property
    def duration_us(self) -> int:
        """Of what is shown."""
        return self.stopped_us - self.started_us - self._cut[-1]

    def shown_us(self, at_us: int) -> int:
        """When that is shown, from zero to `duration_us`; what was in a pause is shown where it begins."""
        at_us = min(max(at_us, self.started_us), self.stopped_us)
        pause = bisect_right(self._from, at_us)
        inside = min(at_us, self._to[pause - 1]) - self._from[pause - 1] if pause else 0
        return at_us - self.started_us - (self._cut[pause - 1] + inside if pause else 0)

    def is_cut(self, at_us: int) -> bool:
        """Whether that is not shown: in a pause, or more than a moment before the start or after the stop."""
        if not self.started_us - _MOMENT_US <= at_us <= self.stopped_us + _MOMENT_US:
            return True
        pause = bisect_right(self._from, at_us)
        return pause > 0 and self._from[pause - 1] + _MOMENT_US < at_us < self._to[pause - 1] - _MOMENT_US


# Frames on their way when a pause begins, and what was made a network's delay before their time was noted.
_MOMENT_US = 500_000
