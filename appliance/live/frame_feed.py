"""One camera's frames, cut into the requests of one analysis. Pure.

Owns which frames are sent: a decoder must see every frame from a key frame on, and what is looked at is the newest
picture alone. So a key frame makes all before it superfluous, and where too much waits whole groups of pictures go, up
to the next key frame; never a frame out of the middle. Refuses to know who asks, and whom.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass

from appliance.recorder.journal import AFTER_LOSS, KEY_FRAME, TURNS_SHIFT, Codec, Kind, Record, scan

MAX_BYTES = 1024 * 1024
"""Eight seconds of a picture of 1 Mbit/s; more waits only where nobody can look."""
_NAMES: dict[int, str] = {Codec.VP8: "vp8", Codec.VP9: "vp9", Codec.H264: "h264", Codec.AV1: "av1"}


@dataclass(frozen=True, slots=True)
class Batch:
    """Frames that follow each other, for a decoder that has seen all before; the last one is looked at."""

    codec: str
    """As `appliance.ai.frames` names them."""
    frames: tuple[bytes, ...]
    turns: int
    """Quarter turns, clockwise, until the last picture stands upright."""
    at_ms: int
    """When the last one came, by the taps' clock."""

    @property
    def payload(self) -> bytes:
        """All frames, one behind the other."""
        return b"".join(self.frames)


def read(records: bytes) -> list[Record]:
    """The whole records of a tap."""
    return list(scan(io.BytesIO(records))) if records else []


class FrameFeed:
    """Of one analysis of one camera."""

    def __init__(self) -> None:
        self._frames: list[Record] = []
        self._bytes = 0
        self._begun = False
        """A key frame has come, and everything since is waiting here or was sent."""
        self.wants_key_frame = False
        """Somebody must ask for one: the tap knows nothing of it. The camera clears it."""
        self.left_out = 0
        """Groups of pictures that were dropped because too much waited."""

    def take(self, records: Iterable[Record]) -> None:
        """What has come, in its order."""
        for record in records:
            if record.kind in (Kind.GAP, Kind.MUTED):
                self._forget()  # the tap itself asks for a key frame
            elif record.kind == Kind.FRAME and record.codec in _NAMES and record.payload:
                self._take(record)

    def next(self) -> Batch | None:
        """What is to be looked at now, once; None while nothing new has come."""
        if not self._frames:
            return None
        frames, self._frames, self._bytes = self._frames, [], 0
        last = frames[-1]
        return Batch(
            codec=_NAMES[last.codec],
            frames=tuple(frame.payload for frame in frames),
            turns=last.flags >> TURNS_SHIFT & 3,
            at_ms=last.at_us // 1000,
        )

    def restart(self) -> None:
        """The decoder has lost its state, or frames are missing: begin at the next key frame."""
        self._forget()
        self.wants_key_frame = True

    def _forget(self) -> None:
        self._frames, self._bytes, self._begun = [], 0, False

    def _take(self, record: Record) -> None:
        if record.flags & KEY_FRAME:
            self._forget()
            self._begun, self.wants_key_frame = True, False
        elif record.flags & AFTER_LOSS:
            self._forget()
        if not self._begun:
            return
        self._frames.append(record)
        self._bytes += len(record.payload)
        if self._bytes > MAX_BYTES and len(self._frames) > 1:
            self.left_out += 1
            self.restart()
