"""The film of a recording that goes on: its next segment, made in a worker process while people still talk.

Owns how far behind the meeting it stays, and what the process remembers between two segments. It costs what making the
film afterwards costs, and some more: a segment begins to decode at a key frame, and browsers send one each 3000 frames.

Rejected: a process for the whole of the recording. It would hold a place that other films wait for, and do nothing for
most of each minute.
"""

from __future__ import annotations

from pathlib import Path

from appliance.recorder.composed import ComposedAhead, ComposeOptions
from appliance.recorder.encoders import choose
from appliance.recorder.footage import SEGMENTS, alone, bounded, shoot_ahead, size_of
from appliance.recorder.material import Reader

# What is recorded last may still change what was seen before: resent packets (1.5 s), who has the floor (2.5 s), frames
# that a mobile network held back. All of it is on the disk within a second.
BEHIND_US = 20_000_000
# Recordings that this process has read so far, numbers and no media, so that it reads on; another reads from the start.
_MOST_READ = 8
_readers: dict[Path, Reader] = {}


def make_ahead(folder: Path, options: ComposeOptions) -> ComposedAhead:
    """See `compose_process.compose_ahead`."""
    options = bounded(options)
    reader = _readers.pop(folder, None) or Reader(folder)
    reader.read()
    if reader.is_closed:
        return ComposedAhead(made_ms=0, recorded_ms=0, wait_s=0, is_over=True)
    _readers[folder] = reader
    while len(_readers) > _MOST_READ:
        del _readers[next(iter(_readers))]
    material = reader.material(so_far=True)
    until_us = material.time.shown_us(reader.latest_us - BEHIND_US)
    chosen = choose(options.encoder, options.format, *size_of(options), options.fps)
    with alone(folder / SEGMENTS) as segments:
        ahead = shoot_ahead(segments, material, options, chosen, until_us=until_us)
    return ComposedAhead(
        made_ms=ahead.made_us // 1000,
        recorded_ms=material.time.duration_us // 1000,
        wait_s=ahead.wait_us / 1_000_000,
    )
