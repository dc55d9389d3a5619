"""Who has the floor: the dominant speakers without the coughs; pure.

Owns the hysteresis. It is made afterwards, so that a picture can change with the first word instead of behind it.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

Turn = tuple[int, str]
"""(from, who), until the next one."""

# Who says less than this within the time below has interjected.
_LEAST_SPEECH_US = 1_200_000
_WITHIN_US = 2_500_000
# A film that cuts faster tires the eye.
_APART_US = 2_000_000


def turns_of(speakers: Iterable[tuple[int, str | None]], duration_us: int) -> list[Turn]:
    """Turns from (from, dominant speaker or None) in order of time."""
    said: list[tuple[int, int, str]] = []
    changes = [*speakers, (duration_us, None)]
    for (start, who), (end, _) in pairwise(changes):
        if who is not None and end > start:
            if said and said[-1][2] == who and said[-1][1] == start:
                said[-1] = (said[-1][0], end, who)
            else:
                said.append((start, end, who))
    turns: list[Turn] = []
    for number, (start, end, who) in enumerate(said):
        begin = max(start, turns[-1][0] + _APART_US) if turns else start
        if begin >= end or (turns and turns[-1][1] == who):
            continue
        if not turns or _speech(said[number:], begin, who) >= min(_LEAST_SPEECH_US, duration_us - begin):
            turns.append((begin, who))
    return turns


def _speech(said: list[tuple[int, int, str]], begin: int, who: str) -> int:
    """How long somebody speaks within the next moments."""
    until = begin + _WITHIN_US
    total = 0
    for start, end, speaker in said:
        if start >= until:
            break
        if speaker == who:
            total += min(end, until) - max(start, begin)
    return total
