"""The film's pictures as a folder of segments: which there should be, which there are, and the rest is made.

Owns how a film is cut into segments and what each one has to show (`segments.Content`), made of the scenes in its span
and of the frames and clocks of the tracks that are seen in it. So a segment outlives whatever changes elsewhere: other
sound, other captions, an hour that was recorded after it.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import av
import msgspec

from appliance.recorder.boxes import even
from appliance.recorder.composed import (
    LEAST_FPS,
    LEAST_HEIGHT,
    LEAST_SEGMENT_S,
    MOST_FPS,
    MOST_HEIGHT,
    MOST_SEGMENT_S,
    ComposeOptions,
)
from appliance.recorder.composition import Composition, moment_us, picture_from
from appliance.recorder.encoders import Chosen
from appliance.recorder.layout import Scene, scenes_of
from appliance.recorder.material import Material
from appliance.recorder.segments import Content, TrackPart, segment_path, take

SEGMENTS = "segments"
"""Their folder's name, in the recording's."""
_LOCK = ".lock"
# Counts up when the same scenes and frames make other pictures than before.
_VERSION = 1
_MADE_BY = f"{_VERSION} " + " ".join(
    f"{name} {'.'.join(map(str, av.library_versions[name]))}" for name in ("libavcodec", "libswscale")
)
# x264 gains little beyond, and what is left is the meetings'.
_MOST_THREADS = 4


@dataclass
class Footage:
    """All segments of a film, there."""

    count: int
    """Of pictures."""
    paths: list[Path] = field(default_factory=list)
    taken: int = 0
    """Segments that were there before."""
    broken: set[str] = field(default_factory=set)
    """Tracks with frames that could not be decoded."""
    missing_glyphs: set[str] = field(default_factory=set)
    """Characters of names that no font here has."""


def bounded(options: ComposeOptions) -> ComposeOptions:
    """Within what can be made."""
    return msgspec.structs.replace(
        options,
        height=even(min(max(options.height, LEAST_HEIGHT), MOST_HEIGHT)),
        fps=min(max(options.fps, LEAST_FPS), MOST_FPS),
        segment_s=min(max(options.segment_s, LEAST_SEGMENT_S), MOST_SEGMENT_S),
    )


def size_of(options: ComposeOptions) -> tuple[int, int]:
    """Width and height of the film."""
    return even(options.height * 16 / 9 + 1), options.height


@contextmanager
def alone(folder: Path) -> Iterator[Path]:
    """Hold the folder, made if need be, against other processes; waits for one that is being killed. OSError."""
    while True:
        folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:  # else whoever held it removed the folder
                yield folder
                return
        finally:
            os.close(descriptor)


def shoot(
    folder: Path,
    material: Material,
    options: ComposeOptions,
    chosen: Chosen,
    *,
    report: Callable[[float], None],
) -> Footage:
    """Make the segments that are not there. ``report`` is told the share; the folder is held (`alone`).

    av.FFmpegError when the encoder fails in the middle, OSError.
    """
    scenes = scenes_of(material.cast, options.layout, *size_of(options))
    wanted = contents_of(material, scenes, options, chosen)
    footage = Footage(count=wanted[-1].first + wanted[-1].count)
    composition = composition_of(material, scenes, options)
    for number, content in enumerate(wanted):
        path = segment_path(folder, number)
        learnt = take(path, content)
        if learnt is not None:
            footage.taken += 1
        else:
            learnt = composition.encode(
                path,
                content,
                chosen,
                options.format,
                threads=threads(),
                report=lambda picture: report(picture / footage.count),
            )
        report((content.first + content.count) / footage.count)
        footage.paths.append(path)
        footage.broken.update(learnt.broken)
        footage.missing_glyphs.update(learnt.missing_glyphs)
    return footage


def threads() -> int:
    """Of an encoder."""
    return min(os.cpu_count() or 1, _MOST_THREADS)


def composition_of(material: Material, scenes: Sequence[Scene], options: ComposeOptions) -> Composition:
    """To encode segments with."""
    width, height = size_of(options)
    return Composition(scenes, width=width, height=height, fps=options.fps, find=material.pictures)


def contents_of(material: Material, scenes: Sequence[Scene], options: ComposeOptions, chosen: Chosen) -> list[Content]:
    """What the segments of a film show, in order; there is always one."""
    fps, (width, height) = options.fps, size_of(options)
    count = max(1, -(-material.time.duration_us * fps // 1_000_000))
    begins = [picture_from(scene.from_us, fps) for scene in scenes]
    tracks: dict[str, _Track] = {}
    contents = []
    for first in range(0, count, options.segment_s * fps):
        end = min(first + options.segment_s * fps, count)
        seen = _seen(scenes, begins, first, end)
        for track in (tile.track for _, scene in seen for tile in scene.tiles if tile.track is not None):
            if track not in tracks:
                tracks[track] = _Track(material, track)
        contents.append(
            Content(
                made_by=_MADE_BY,
                encoder=chosen.name,
                format=options.format,
                width=width,
                height=height,
                fps=fps,
                first=first,
                count=end - first,
                scenes=_digest([(begin, scene.title, scene.tiles) for begin, scene in seen]),
                tracks={
                    track: tracks[track].part(moment_us(first, fps), moment_us(end, fps))
                    for track in sorted({tile.track for _, scene in seen for tile in scene.tiles if tile.track})
                },
            )
        )
    return contents


def _seen(scenes: Sequence[Scene], begins: Sequence[int], first: int, end: int) -> list[tuple[int, Scene]]:
    """(picture from which it is seen, scene) of pictures from ``first`` to before ``end``."""
    shown: dict[int, Scene] = {}
    for scene, begin in zip(scenes, begins, strict=True):
        if begin < end:
            shown[max(begin, first)] = scene  # of two within a picture the later one
    return list(shown.items())


class _Track:
    """A track's marks at the times at which they are shown."""

    def __init__(self, material: Material, track: str) -> None:
        self._marks = material.surveys[track].marks
        self._arrived_us = [material.time.shown_us(mark.at_us) for mark in self._marks]
        self._time, self._clock = material.time, material.clocks[track]

    def part(self, from_us: int, to_us: int) -> TrackPart:
        """With the mark before it, from which a picture may still stand."""
        begin = max(bisect_left(self._arrived_us, from_us) - 1, 0)
        marks = self._marks[begin : bisect_left(self._arrived_us, to_us)]
        return TrackPart(_digest(marks), tuple(self._time.shown_us(self._clock.at_us(mark)) for mark in marks))


def _digest(value: object) -> str:
    return hashlib.sha256(msgspec.json.encode(value)).hexdigest()
