"""A recording that goes on: a whole one's folder, of which another folder gets as much as was written until a moment.

The journals grow as the recorder writes them: records by arrival, tracks in the manifest once they have any. While it
grows the last record may be torn, as somebody reads it who comes in the middle of a write.
"""

from __future__ import annotations

from pathlib import Path

import msgspec

from appliance.recorder.journal import encode, scan
from appliance.recorder.manifest import EVENTS, Manifest, read_manifest, write_manifest
from tests.support.recorded import START_US


class Growing:
    """``folder``, filled from ``whole``."""

    def __init__(self, whole: Path, folder: Path) -> None:
        self.folder = folder
        self._manifest = read_manifest(whole)
        self._left: dict[str, list[tuple[int, bytes]]] = {}
        """By file: (arrival, bytes) of what is still to be written."""
        self._torn: dict[str, bytes] = {}
        for file in (EVENTS, *(track.file for track in self._manifest.tracks)):
            with (whole / file).open("rb") as journal:
                self._left[file] = [(record.at_us, encode(record)) for record in scan(journal)]
        (folder / "tracks").mkdir(parents=True)
        write_manifest(folder, self._open(()))

    def _open(self, files: tuple[str, ...]) -> Manifest:
        tracks = tuple(track for track in self._manifest.tracks if track.file in files)
        return msgspec.structs.replace(self._manifest, tracks=tracks, closed=False, stopped_at_ms=None)

    def until(self, seconds: float, *, torn: bool = False) -> None:
        """What arrived until then is written; ``torn``: of what comes next in each journal the first half too."""
        end_us = START_US + round(seconds * 1e6)
        for file, left in self._left.items():
            new = bytearray()
            while left and left[0][0] <= end_us:
                new += left.pop(0)[1]
            path = self.folder / file
            with path.open("ab") as journal:
                journal.truncate(path.stat().st_size - len(self._torn.pop(file, b"")))
                journal.seek(0, 2)
                journal.write(new)
                if torn and left:
                    self._torn[file] = left[0][1][: len(left[0][1]) // 2]
                    journal.write(self._torn[file])
        written = tuple(file for file in self._left if (self.folder / file).stat().st_size)
        write_manifest(self.folder, self._open(written))

    def close(self) -> None:
        """All of it."""
        self.until(1e9)
        write_manifest(self.folder, self._manifest)
