"""Where a meeting changes its subject: TextTiling (Hearst 1997, "TextTiling: Segmenting Text into Multi-paragraph
Subtopic Passages").

Owns the boundaries: places where the words before and the words after have less in common than around them. Pure.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from statistics import fmean, pstdev

# Blocks on each side of a gap that are compared; Hearst found 6 to 10 sentences good.
_WINDOW = 8
# Phrases are put together so that there are at most so many blocks: a day is no more work than an hour.
_MOST_BLOCKS = 400
# A shorter part is an aside, and a meeting with more parts than one reads at a glance needs no list of them.
_SHORTEST_MS = 180_000
_MOST_CHAPTERS = 12


def boundaries(documents: Sequence[Sequence[str]], starts_ms: Sequence[int], end_ms: int) -> list[int]:
    """Numbers of the phrases with which a new chapter begins, the first (0) included; only [0] where there is one.

    ``documents``: the terms of each phrase; ``starts_ms``: when each begins; ``end_ms``: when the last one ends.
    """
    size = max(1, math.ceil(len(documents) / _MOST_BLOCKS))
    blocks = [
        Counter(term for document in documents[at : at + size] for term in document)
        for at in range(0, len(documents), size)
    ]
    if len(blocks) < 2 * _WINDOW:
        return [0]
    likeness = [
        _likeness(blocks[max(0, gap - _WINDOW) : gap], blocks[gap : gap + _WINDOW]) for gap in range(1, len(blocks))
    ]
    smooth = [fmean(likeness[max(0, at - 1) : at + 2]) for at in range(len(likeness))]
    depths = [_depth(smooth, at) for at in range(len(smooth))]
    least = fmean(depths) + pstdev(depths) / 2
    kept: list[int] = []
    for at in sorted(range(len(depths)), key=lambda at: -depths[at]):
        phrase = (at + 1) * size
        when = starts_ms[phrase]
        others = [starts_ms[other] for other in kept]
        if depths[at] <= least or len(kept) == _MOST_CHAPTERS - 1:
            break
        if all(abs(when - other) >= _SHORTEST_MS for other in (starts_ms[0], *others, end_ms)):
            kept.append(phrase)
    return [0, *sorted(kept)]


def _likeness(before: Sequence[Counter[str]], after: Sequence[Counter[str]]) -> float:
    one: Counter[str] = Counter()
    other: Counter[str] = Counter()
    for counts in before:
        one.update(counts)
    for counts in after:
        other.update(counts)
    norm = math.sqrt(sum(n * n for n in one.values()) * sum(n * n for n in other.values()))
    return sum(often * other[term] for term, often in one.items()) / norm if norm else 0.0


def _depth(smooth: Sequence[float], at: int) -> float:
    """How far it falls from the peaks on both sides."""
    left = right = at
    while left > 0 and smooth[left - 1] >= smooth[left]:
        left -= 1
    while right < len(smooth) - 1 and smooth[right + 1] >= smooth[right]:
        right += 1
    return (smooth[left] - smooth[at]) + (smooth[right] - smooth[at])
