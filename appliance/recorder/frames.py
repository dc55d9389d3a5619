"""The frames of a journal at the times at which they are shown.

Owns the order: journals are in the order of arrival, and Opus frames that were repaired come late. Refuses to decode.
Reads its file as it goes, a megabyte at a time.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator
from pathlib import Path

import msgspec

from appliance.recorder.journal import AFTER_LOSS, KEY_FRAME, TURNS_SHIFT, Codec, Kind, Record, scan
from appliance.recorder.notes import ShownTime
from appliance.recorder.timeline import TrackClock

# A repair by RED comes a few frames late, a resent packet within a second (the worker's own patience).
_HELD_BACK_US = 1_500_000
_MOST_HELD_BACK = 128
# The shortest Opus frame has 2.5 ms: two that are closer are one that came twice.
_TWICE_US = 2_000


class Frame(msgspec.Struct, frozen=True, gc=False):  # of all structs the cheapest to make, 800 times a second
    """One picture, or one piece of sound."""

    at_us: int
    """When it is shown, from the recording's start."""
    codec: int
    is_key: bool
    after_loss: bool
    """Not decodable until the next key frame."""
    payload: bytes
    turns: int = 0
    """Quarter turns, clockwise, after which a picture stands upright."""


def read_frames(path: Path, clock: TrackClock, time: ShownTime, *, from_offset: int = 0) -> Iterator[Frame]:
    """The frames of a track in order of time; ``from_offset`` is where a record begins. OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        file.seek(from_offset)
        last_us = 0
        sounds: list[tuple[int, int, Frame]] = []
        heard_us = -_HELD_BACK_US
        for number, record in enumerate(scan(file)):
            if record.kind != Kind.FRAME or time.is_cut(record.at_us):
                continue
            frame = _placed(record, clock, time)
            if record.codec != Codec.OPUS:
                last_us = max(last_us, frame.at_us)
                yield frame if frame.at_us == last_us else msgspec.structs.replace(frame, at_us=last_us)
                continue
            heapq.heappush(sounds, (frame.at_us, number, frame))
            while sounds[0][0] < frame.at_us - _HELD_BACK_US or len(sounds) > _MOST_HELD_BACK:
                at_us, _, first = heapq.heappop(sounds)
                if at_us - heard_us >= _TWICE_US:
                    heard_us = at_us
                    yield first
        while sounds:
            at_us, _, first = heapq.heappop(sounds)
            if at_us - heard_us >= _TWICE_US:
                heard_us = at_us
                yield first


def _placed(record: Record, clock: TrackClock, time: ShownTime) -> Frame:
    return Frame(
        time.shown_us(clock.at_us(record)),
        record.codec,
        bool(record.flags & KEY_FRAME),
        bool(record.flags & AFTER_LOSS),
        record.payload,
        record.flags >> TURNS_SHIFT & 3,
    )
