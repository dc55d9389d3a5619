"""The film's encoded pictures while it is being made, in a file that a killed process leaves usable.

Owns the format, which is the journal's own, and the place where to go on: the last key frame. What stands before one is
complete, since no picture before it refers to what comes after it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from av.packet import Packet
from av.video.stream import VideoStream

from appliance.recorder.journal import KEY_FRAME, Codec, Kind, Record, encode, scan
from appliance.recorder.survey import HEADER_BYTES


@dataclass(frozen=True, slots=True)
class Encoded:
    """One encoded picture; times in pictures."""

    pts: int
    dts: int
    is_key: bool
    payload: bytes


class Reel:
    """Written from a key frame on."""

    def __init__(self, path: Path, codec: Codec) -> None:
        """Goes on with a reel that is there. OSError."""
        self._codec = codec
        self.next_picture, end = _last_key(path)
        """The number of the picture with which to go on."""
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        os.ftruncate(descriptor, end)
        os.lseek(descriptor, end, os.SEEK_SET)
        self._file = os.fdopen(descriptor, "wb")

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

    def close(self) -> None:
        """OSError when the disk refuses what was written."""
        self._file.close()


def read_reel(path: Path) -> Iterator[Encoded]:
    """The pictures in the order of decoding. OSError."""
    with path.open("rb") as file:
        for record in scan(file):
            yield Encoded(record.rtp, record.at_us, bool(record.flags & KEY_FRAME), record.payload)


def _last_key(path: Path) -> tuple[int, int]:
    """The number of the last key picture and where its record begins; zeros when there is none."""
    found = (0, 0)
    end = 0
    try:
        with path.open("rb") as file:
            for record in scan(file):
                start = record.end - len(record.payload) - HEADER_BYTES
                if start != end:  # damaged: what follows cannot be relied upon
                    break
                end = record.end
                if record.flags & KEY_FRAME:
                    found = (record.rtp, start)
    except FileNotFoundError:
        pass
    return found
