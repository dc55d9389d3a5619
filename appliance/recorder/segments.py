"""The film's encoded pictures while it is being made: segments, each a file that is there whole or not at all.

Owns the file, the question whether it may be taken for what is wanted now, and its way to the disk: under another name,
synced, renamed. Records are the journal's own: a note of what the segment shows, its pictures in the order of decoding,
a note of what was learnt while they were made. A segment is closed: none of its pictures refers to another segment's.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import msgspec
from av.packet import Packet
from av.video.stream import VideoStream

from appliance.recorder.journal import KEY_FRAME, Codec, Kind, Record, encode, encode_note, scan
from appliance.recorder.manifest import sync_folder

# Clocks are known better with each minute of a journal. A segment that was made while the meeting went on is kept when
# its pictures were placed within this, a quarter of the 40 ms that picture and sound may be apart.
MOST_APART_US = 10_000
_SUFFIX = ".segment"

T = TypeVar("T")


class TrackPart(msgspec.Struct, frozen=True):
    """What a segment shows of one track."""

    frames: str
    """Digest of some of its frames, so many that another journal has others."""
    shown_us: tuple[int, ...]
    """When they were shown."""


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment shows and how it was made."""

    made_by: str
    """Versions of this program's composition and of FFmpeg's libraries."""
    encoder: str
    format: str
    width: int
    height: int
    fps: int
    first: int
    """Number of its first picture in the film."""
    count: int
    """Of its pictures."""
    scenes: str
    """Digest of who is seen where, picture by picture."""
    tracks: dict[str, TrackPart]
    """Those that are seen in it."""


class Learnt(msgspec.Struct, frozen=True, kw_only=True):
    """What is known only once the pictures were made."""

    broken: tuple[str, ...] = ()
    """Tracks with frames that could not be decoded."""
    missing_glyphs: str = ""
    """Characters of names that no font here has."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One encoded picture; times in pictures of the film."""

    pts: int
    dts: int
    is_key: bool
    payload: bytes


def agree(made: Content, wanted: Content) -> bool:
    """Whether a segment that was made shows what is wanted, to the eye and ear."""
    if _without_times(made) != _without_times(wanted):
        return False
    return all(
        len(made.tracks[track].shown_us) == len(part.shown_us)
        and all(abs(a - b) <= MOST_APART_US for a, b in zip(made.tracks[track].shown_us, part.shown_us, strict=True))
        for track, part in wanted.tracks.items()
    )


def _without_times(content: Content) -> Content:
    return msgspec.structs.replace(
        content, tracks={track: TrackPart(part.frames, ()) for track, part in content.tracks.items()}
    )


class SegmentWriter:
    """One segment while it is made; `finish` gives it its name, and until then it is not there."""

    def __init__(self, path: Path, content: Content, codec: Codec) -> None:
        """Replaces what a killed process left unfinished. OSError."""
        self._path, self._codec = path, codec
        self._unfinished = path.with_name(f".{path.name}.unfinished")
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(self._unfinished, flags, 0o600), "wb")
        self._file.write(encode_note(0, msgspec.json.encode(content)))

    def append(self, packet: Packet[VideoStream]) -> None:
        """In the order in which the encoder gives them. OSError."""
        pts, dts = packet.pts, packet.dts
        assert pts is not None and dts is not None
        record = Record(
            kind=Kind.FRAME,
            codec=self._codec,
            flags=KEY_FRAME if packet.is_keyframe else 0,
            at_us=dts,
            rtp=pts,
            payload=bytes(packet),
        )
        self._file.write(encode(record))

    def finish(self, learnt: Learnt) -> None:
        """All pictures are there: from now on it is too, also after a power cut. OSError."""
        self._file.write(encode_note(0, msgspec.json.encode(learnt)))
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()
        self._unfinished.rename(self._path)
        sync_folder(self._path.parent)

    def close(self) -> None:
        """Give an unfinished one up; of a finished one nothing."""
        if not self._file.closed:
            self._file.close()
            self._unfinished.unlink()


def segment_path(folder: Path, number: int) -> Path:
    """Of a film's segment, from 0."""
    return folder / f"{number:06}{_SUFFIX}"


def read_content(path: Path) -> Content | None:
    """What a segment shows; None when there is none, or none that this version can read. OSError."""
    try:
        with path.open("rb") as file:
            return _decoded(next(scan(file), None), Content)
    except FileNotFoundError:
        return None


def take(path: Path, wanted: Content) -> Learnt | None:
    """What was learnt with a segment that is there, whole, and shows what is wanted; None when there is none. OSError.

    It is read through: a disk may have lost what it said was written.
    """
    made = read_content(path)
    if made is None or not agree(made, wanted):
        return None
    numbers: list[int] = []
    last: Record | None = None
    with path.open("rb") as file:
        for record in scan(file):
            last = record
            if record.kind == Kind.FRAME:
                numbers.append(record.rtp)
    learnt = _decoded(last, Learnt)
    return learnt if sorted(numbers) == list(range(made.first, made.first + made.count)) else None


def read_pictures(path: Path) -> Iterator[Encoded]:
    """The pictures of a segment in the order of decoding. OSError."""
    with path.open("rb") as file:
        for record in scan(file):
            if record.kind == Kind.FRAME:
                yield Encoded(record.rtp, record.at_us, bool(record.flags & KEY_FRAME), record.payload)


def _decoded(record: Record | None, kind: type[T]) -> T | None:
    if record is None or record.kind != Kind.NOTE:
        return None
    try:
        return msgspec.json.decode(record.payload, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError):  # another version's
        return None
