"""What is in a journal, found by reading it once: codecs, spans with a picture, key frames, readings of time; pure.

Owns the question when a track has something to show; refuses to decode. What it keeps grows by a few numbers a second
of the recording, never with the media.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from appliance.recorder.journal import AFTER_LOSS, KEY_FRAME, Codec, Kind, Record
from appliance.recorder.timeline import Readings

Span = tuple[int, int]
"""From and to, µs; which clock is said by whoever has it."""

HEADER_BYTES = 40
# A camera sends at least each few hundred milliseconds; a picture that has not moved for so long is of somebody whose
# link is gone. A shared screen may stand still for an hour.
FROZEN_US: dict[str, int] = {"camera": 10_000_000}
# Frames that were sent before the mute still arrive; later ones say that it is over, even if nothing else does.
_UNDER_WAY_US = 1_000_000
# Where decoding can start: closer ones would save less than they cost.
_KEYS_APART_US = 2_000_000
# Some of the frames, by which a journal is known again and its clock compared: 2,900 in four hours.
_MARKS_APART_US = 5_000_000


@dataclass(slots=True)
class Survey:
    """Of one track. Times are of arrival, on the server's clock."""

    frozen_us: int | None
    """After so long without a frame its picture is taken away; None: never."""
    readings: Readings = field(default_factory=Readings)
    codecs: Counter[int] = field(default_factory=Counter)
    """Frames of each."""
    first_us: int | None = None
    last_us: int = 0
    pictures: list[Span] = field(default_factory=list)
    """Video: from a frame that can be decoded until it is muted or frozen. The last one ends with the last frame."""
    open_ended: bool = False
    """The last picture stands as long as its track is published."""
    muted: list[Span] = field(default_factory=list)
    keys: list[tuple[int, int]] = field(default_factory=list)
    """(arrival, offset in the journal) of key frames."""
    marks: list[Record] = field(default_factory=list)
    """A frame each few seconds of video; its payload is the CRC-32 of what it had."""
    _decodable: bool = False
    _shown_since: int | None = None
    _shown_until: int = 0
    _muted_since: int | None = None

    def add(self, record: Record) -> None:
        """Take a record in, in the journal's order."""
        self.readings.add(record)
        if record.kind == Kind.FRAME:
            self._frame(record)
        elif record.kind == Kind.MUTED:
            self._end_picture(record.at_us)
            if self._muted_since is None:
                self._muted_since = record.at_us
        elif record.kind == Kind.UNMUTED:
            self._unmute(record.at_us)

    def _frame(self, record: Record) -> None:
        at_us = record.at_us
        self.codecs[record.codec] += 1
        self.first_us = at_us if self.first_us is None else min(self.first_us, at_us)
        self.last_us = max(self.last_us, at_us)
        if self._muted_since is not None and at_us - self._muted_since < _UNDER_WAY_US:
            return
        self._unmute(at_us)
        if record.codec == Codec.OPUS:
            return
        if not self.marks or at_us - self.marks[-1].at_us >= _MARKS_APART_US:
            self.marks.append(msgspec.structs.replace(record, payload=zlib.crc32(record.payload).to_bytes(4, "little")))
        if record.flags & KEY_FRAME:
            self._decodable = True
            if not self.keys or at_us - self.keys[-1][0] >= _KEYS_APART_US:
                self.keys.append((at_us, record.end - len(record.payload) - HEADER_BYTES))
        elif record.flags & AFTER_LOSS:
            self._decodable = False
        if self._decodable:
            if self._shown_since is not None and self._is_frozen(at_us):
                self._end_picture(self._shown_until + (self.frozen_us or 0))
            if self._shown_since is None:
                self._shown_since = at_us
            self._shown_until = at_us

    def _is_frozen(self, at_us: int) -> bool:
        return self.frozen_us is not None and at_us - self._shown_until > self.frozen_us

    def _end_picture(self, at_us: int) -> None:
        if self._shown_since is not None:
            if self._is_frozen(at_us):
                at_us = self._shown_until + (self.frozen_us or 0)
            self.pictures.append((self._shown_since, at_us))
            self._shown_since = None

    def _unmute(self, at_us: int) -> None:
        if self._muted_since is not None:
            self.muted.append((self._muted_since, at_us))
            self._muted_since = None

    def finish(self, stopped_us: int | None) -> None:
        """After the last record; without a stop the recording ends with it."""
        if stopped_us is None:
            stopped_us = self.last_us
        if self._shown_since is not None:
            self.open_ended = True
            self._end_picture(stopped_us)
        self._unmute(stopped_us)

    @property
    def codec(self) -> Codec:
        """That most of its frames have; NONE without frames."""
        known = [(count, codec) for codec, count in self.codecs.items() if codec in _CODECS]
        return Codec(max(known)[1]) if known else Codec.NONE


_CODECS = frozenset(Codec) - {Codec.NONE}


def survey(records: Iterable[Record], *, frozen_us: int | None, stopped_us: int | None) -> Survey:
    """Read a journal through."""
    found = Survey(frozen_us=frozen_us)
    for record in records:
        found.add(record)
    found.finish(stopped_us)
    return found
