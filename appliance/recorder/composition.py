"""The film of a meeting: pictures painted and encoded, from where an earlier process was killed.

Owns the loop over the film's pictures. Memory is one canvas, one picture for each tile, and the encoder's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import av

from appliance.recorder.composed import Format
from appliance.recorder.encoders import Chosen, open_encoder
from appliance.recorder.labels import Labels
from appliance.recorder.layout import Scene
from appliance.recorder.painter import Painter
from appliance.recorder.pictures import Pictures
from appliance.recorder.reel import Reel

# Decoders that are kept: what is seen, and those that were seen a moment ago and may be seen again.
_MOST_OPEN = 40


class Composition:
    """One film's pictures."""

    def __init__(
        self,
        scenes: Sequence[Scene],
        *,
        width: int,
        height: int,
        fps: int,
        duration_us: int,
        find: Callable[[str], Pictures],
    ) -> None:
        """``find`` opens a video track."""
        self._scenes = scenes
        self._size = width, height
        self._fps = fps
        self.count = max(1, -(-duration_us * fps // 1_000_000))
        """Of pictures."""
        self._find = find
        self._open: dict[str, Pictures] = {}
        self._labels = Labels(height)
        self.broken: set[str] = set()
        """Tracks with frames that could not be decoded."""

    @property
    def missing_glyphs(self) -> str:
        """Characters of names that no font here has."""
        return self._labels.missing

    def encode(
        self, reel_path: Path, chosen: Chosen, kind: Format, *, threads: int, report: Callable[[int], None]
    ) -> None:
        """Go on with the reel until the film's end; ``report`` is told the number of each picture.

        av.FFmpegError when the encoder fails in the middle, OSError.
        """
        width, height = self._size
        reel = Reel(reel_path, chosen.codec)
        try:
            encoder = open_encoder(chosen.name, kind, width, height, self._fps, threads=threads)
            painter = Painter(width, height, self._labels, self._pictures)
            scene_number = -1
            for number in range(reel.next_picture, self.count):
                # Half a picture ahead: on average nothing is seen later than it was.
                at_us = (2 * number + 1) * 500_000 // self._fps
                begun = scene_number
                while scene_number + 1 < len(self._scenes) and self._scenes[scene_number + 1].from_us <= at_us:
                    scene_number += 1
                if scene_number != begun:
                    painter.begin(self._scenes[scene_number])
                painter.go_on(at_us)
                frame = av.VideoFrame.from_numpy_buffer(painter.canvas.whole, format="yuv420p")
                frame.pts = number
                for packet in encoder.encode(frame):
                    reel.append(packet)
                report(number)
            for packet in encoder.encode(None):
                reel.append(packet)
        finally:
            reel.close()
            self.broken |= {track for track, pictures in self._open.items() if pictures.broken}

    def _pictures(self, track: str) -> Pictures:
        pictures = self._open.pop(track, None) or self._find(track)
        self._open[track] = pictures  # last, as the most recently used
        while len(self._open) > _MOST_OPEN:
            oldest = next(iter(self._open))
            if self._open.pop(oldest).broken:
                self.broken.add(oldest)
        return pictures
