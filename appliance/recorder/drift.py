"""Curves through noisy readings of one clock against another; pure.

Owns the statistics: what counts as an outlier, how far two quartz clocks can drift, how fast a correction may move.
Refuses to know what the clocks are. Readings are (x, y): at x µs of the first clock the second one is y µs ahead.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

Points = Sequence[tuple[int, int]]
"""(x, y), ordered by x."""

# A minute has twelve sender reports, or sixty seconds with a quickest packet each; a path that changed is followed
# within it.
WINDOW_US = 60_000_000
# Below that, noise says more about the slope than the clocks do: 5 ms in 20 s would be 250 ppm.
_SHORTEST_SLOPE_US = 60_000_000
# Quartz is within 100 ppm, two of them within 200 of one another; sound cards were seen at twice that.
MOST_DRIFT = 500e-6
# MEDIA-NOTES.md §8: nobody hears or sees a correction of 5 ms a second.
MOST_SLEW = 5e-3
# Of the quickest packets of each second those that count as undelayed: one lucky one moves nothing.
FLOOR = 0.1
CENTRE = 0.5
# Theil–Sen takes pairs: 60 windows make 1770 of them.
_MOST_SLOPE_POINTS = 60


class Curve:
    """y over x: straight between knots, on along the common slope outside."""

    __slots__ = ("_slope", "_xs", "_ys")

    def __init__(self, xs: Sequence[float], ys: Sequence[float], slope: float) -> None:
        """``ys`` at ``xs`` with the slope's share taken out."""
        self._xs, self._ys, self._slope = list(xs), list(ys), slope

    def at(self, x: float) -> float:
        """y there."""
        xs, ys = self._xs, self._ys
        after = bisect_right(xs, x)
        if after == 0:
            level = ys[0]
        elif after == len(xs):
            level = ys[-1]
        else:
            left = xs[after - 1]
            share = (x - left) / (xs[after] - left)
            level = ys[after - 1] + share * (ys[after] - ys[after - 1])
        return level + self._slope * x


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which ``share`` of them lie; ``values`` is not empty."""
    ordered = sorted(values)
    return ordered[min(int(share * len(ordered)), len(ordered) - 1)]


def fit(points: Points, share: float, window_us: int = WINDOW_US) -> Curve:
    """The curve that runs through the ``share`` quantile of the readings, `CENTRE` or `FLOOR`.

    ``points`` is not empty. It bends once in a window, never faster than `MOST_SLEW`.
    """
    first, last = points[0][0], points[-1][0]
    windows = _windows(points, window_us)
    slope = 0.0
    if last - first >= _SHORTEST_SLOPE_US:
        slope = _slope([(sum(x for x, _ in w) / len(w), quantile([y for _, y in w], share)) for w in windows])
    xs, ys = [], []
    for window in windows:
        xs.append((window[0][0] + window[-1][0]) / 2)
        ys.append(quantile([y - slope * x for x, y in window], share))
    return Curve(xs, _slewed(xs, ys), slope)


def _windows(points: Points, window_us: int) -> list[Points]:
    """The points in equal parts of about ``window_us``; parts without any are left out."""
    first, last = points[0][0], points[-1][0]
    count = max(1, round((last - first) / window_us))
    length = (last - first) / count or 1.0
    windows: list[list[tuple[int, int]]] = [[] for _ in range(count)]
    for point in points:
        windows[min(int((point[0] - first) / length), count - 1)].append(point)
    return [window for window in windows if window]


def _slope(middles: Sequence[tuple[float, float]]) -> float:
    """Theil–Sen: the median of the slopes between all pairs, so that a step of the path counts as one."""
    step = -(-len(middles) // _MOST_SLOPE_POINTS)
    some = middles[::step]
    slopes = [(y2 - y1) / (x2 - x1) for n, (x1, y1) in enumerate(some) for x2, y2 in some[n + 1 :] if x2 > x1]
    if not slopes:
        return 0.0
    return max(-MOST_DRIFT, min(MOST_DRIFT, quantile(slopes, CENTRE)))


def _slewed(xs: Sequence[float], ys: Sequence[float]) -> list[float]:
    """``ys`` with steps cut to what `MOST_SLEW` allows; a step is begun before it and ended after it."""
    forward, backward = list(ys), list(ys)
    for n, (x1, x2) in enumerate(pairwise(xs)):
        most = MOST_SLEW * (x2 - x1)
        forward[n + 1] = max(forward[n] - most, min(forward[n] + most, forward[n + 1]))
    for n in range(len(xs) - 2, -1, -1):
        most = MOST_SLEW * (xs[n + 1] - xs[n])
        backward[n] = max(backward[n + 1] - most, min(backward[n + 1] + most, backward[n]))
    return [(f + b) / 2 for f, b in zip(forward, backward, strict=True)]
