"""The film of a meeting: pictures painted and encoded, segment by segment.

Owns the loop over a segment's pictures. Memory is one canvas, one picture for each tile, and the encoder's own.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from pathlib import Path

import av

from appliance.recorder.composed import Format
from appliance.recorder.encoders import Chosen, open_encoder
from appliance.recorder.labels import Labels
from appliance.recorder.layout import Scene
from appliance.recorder.painter import Painter
from appliance.recorder.pictures import Pictures
from appliance.recorder.segments import Content, Learnt, SegmentWriter

# Decoders that are kept: what is seen, and those that were seen a moment ago and may be seen again.
_MOST_OPEN = 40


def moment_us(number: int, fps: int) -> int:
    """Of which shown time a picture is: half a picture ahead, so that on average nothing is seen later than it was."""
    return (2 * number + 1) * 500_000 // fps


def picture_from(at_us: int, fps: int) -> int:
    """The number of the first picture that shows what is there from then on."""
    return -(-at_us * fps // 500_000) // 2


class Composition:
    """One film's pictures."""

    def __init__(
        self,
        scenes: Sequence[Scene],
        *,
        width: int,
        height: int,
        fps: int,
        find: Callable[[str], Pictures],
    ) -> None:
        """``scenes`` begin at zero; ``find`` opens a video track."""
        self._scenes = scenes
        self._size = width, height
        self._fps = fps
        self._find = find
        self._open: dict[str, Pictures] = {}
        self._broken: set[str] = set()
        self._labels = Labels(height)
        self._painter = Painter(width, height, self._labels, self._pictures)
        self._scene = -1

    def encode(
        self,
        path: Path,
        content: Content,
        chosen: Chosen,
        kind: Format,
        *,
        threads: int,
        report: Callable[[int], None],
    ) -> Learnt:
        """Make one segment; segments in order. ``report`` is told the number of each picture.

        av.FFmpegError when the encoder fails in the middle, OSError.
        """
        width, height = self._size
        segment = SegmentWriter(path, content, chosen.codec)
        try:
            encoder = open_encoder(chosen.name, kind, width, height, self._fps, threads=threads)
            for number in range(content.first, content.first + content.count):
                for packet in encoder.encode(self._paint(number)):
                    segment.append(packet)
                report(number)
            for packet in encoder.encode(None):
                segment.append(packet)
            learnt = Learnt(broken=tuple(sorted(self._broken_tracks())), missing_glyphs=self._labels.missing)
            segment.finish(learnt)
            return learnt
        finally:
            segment.close()

    def _paint(self, number: int) -> av.VideoFrame:
        at_us = moment_us(number, self._fps)
        scene = bisect_right(self._scenes, at_us, key=lambda scene: scene.from_us) - 1
        if scene != self._scene:
            self._scene = scene
            self._painter.begin(self._scenes[scene])
        self._painter.go_on(at_us)
        frame = av.VideoFrame.from_numpy_buffer(self._painter.canvas.whole, format="yuv420p")
        frame.pts = number
        return frame

    def _broken_tracks(self) -> set[str]:
        self._broken |= {track for track, pictures in self._open.items() if pictures.broken}
        return self._broken

    def _pictures(self, track: str) -> Pictures:
        pictures = self._open.pop(track, None) or self._find(track)
        self._open[track] = pictures  # last, as the most recently used
        while len(self._open) > _MOST_OPEN:
            oldest = next(iter(self._open))
            if self._open.pop(oldest).broken:
                self._broken.add(oldest)
        return pictures
