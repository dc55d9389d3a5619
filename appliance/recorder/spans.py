"""Sets of moments as ordered spans that do not touch; pure. From is in a span, to is not."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence

Span = tuple[int, int]


def united(spans: Iterable[Span], *, bridged: int = 0) -> list[Span]:
    """All of them in order; gaps up to ``bridged`` are closed."""
    found: list[Span] = []
    for start, end in sorted(spans):
        if end <= start:
            continue
        if found and start <= found[-1][1] + bridged:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return found


def without(spans: Iterable[Span], removed: Iterable[Span]) -> list[Span]:
    """What is left of the first ones."""
    holes = united(removed)
    left = []
    for start, end in united(spans):
        for hole_start, hole_end in holes:
            if hole_end <= start:
                continue
            if hole_start >= end:
                break
            if start < hole_start:
                left.append((start, hole_start))
            start = hole_end
        if start < end:
            left.append((start, end))
    return left


def common(spans: Iterable[Span], others: Iterable[Span]) -> list[Span]:
    """What is in both."""
    first = united(spans)
    return without(first, without([(first[0][0], first[-1][1])], others)) if first else []


def span_at(spans: Sequence[Span], at: int) -> Span | None:
    """That which holds the moment; ``spans`` in order."""
    after = bisect_right(spans, at, key=lambda span: span[0])
    return spans[after - 1] if after and at < spans[after - 1][1] else None
