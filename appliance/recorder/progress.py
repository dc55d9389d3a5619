"""How far a composition is, in a small file that others read while it grows.

Owns the clock: how often it is written and how long the rest may take. The file is whole at any time.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import msgspec

# The page that shows it looks once a second.
_EACH_S = 0.5
# An estimate of the rest from less than this would jump about.
_LEAST_SHARE = 0.02
_LEAST_S = 2.0


class Said(msgspec.Struct, frozen=True):
    """The file; who reads it decodes it as this, for the process that writes it may be mad."""

    share: Annotated[float, msgspec.Meta(ge=0, le=1)]
    stage: Annotated[str, msgspec.Meta(max_length=40)]
    time_left_s: Annotated[int, msgspec.Meta(ge=0)] | None
    """None while nobody can say."""


class Progress:
    """Shares of the whole work are given to stages beforehand, by what they usually take."""

    def __init__(self, path: Path, stages: dict[str, float]) -> None:
        """``stages``: weight of each, in order."""
        self._path = path
        total = sum(stages.values())
        self._begin: dict[str, tuple[float, float]] = {}
        done = 0.0
        for stage, weight in stages.items():
            self._begin[stage] = (done / total, weight / total)
            done += weight
        self._stage = next(iter(stages))
        self._started_s = self._written_s = time.monotonic()
        self._first_share: float | None = None

    def begin(self, stage: str) -> None:
        """A stage begins."""
        self._stage = stage
        self._write(0.0)

    def reach(self, share: float) -> None:
        """So much of the stage is done. Cheap: the file is written twice a second."""
        if time.monotonic() - self._written_s >= _EACH_S:
            self._write(share)

    def _write(self, share_of_stage: float) -> None:
        begin, weight = self._begin[self._stage]
        share = min(begin + weight * max(0.0, min(share_of_stage, 1.0)), 1.0)
        if self._first_share is None:
            self._first_share = share
        now_s = self._written_s = time.monotonic()
        done, took_s = share - self._first_share, now_s - self._started_s
        left_s = None if done < _LEAST_SHARE or took_s < _LEAST_S else round(took_s / done * (1 - share))
        unfinished = self._path.with_name(self._path.name + ".new")
        unfinished.write_bytes(msgspec.json.encode(Said(round(share, 4), self._stage, left_s)))
        unfinished.replace(self._path)
