"""Where somebody would want to jump to: a screen that is shared, a new speaker, a late arrival; pure.

Owns how many are enough: a film of an hour has some sixty, not one for each sentence.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from appliance.recorder.cast import Cast
from appliance.recorder.composed import ComposedChapter
from appliance.recorder.turns import turns_of

# A speaker who gets a chapter holds the floor for a sixtieth of the film, within these.
_SHORTEST_US = 10_000_000
_LONGEST_US = 120_000_000
# What begins within the first moments begins with the film.
_AT_ONCE_US = 3_000_000
# Container and player alike show a list; longer titles are cut off there anyway.
_TITLE_CHARACTERS = 120


def chapters_of(cast: Cast) -> list[ComposedChapter]:
    """Chapters in order, the first at zero; none closer than ten seconds, but for the first."""
    found: list[tuple[int, int, str]] = []  # (from, rank, title): of two that are close the lower rank stays
    least_us = min(max(cast.duration_us // 60, _SHORTEST_US), _LONGEST_US)
    names = {person.participant_id: person.name for person in cast.people}
    for person in cast.people:
        for picture in person.screens:
            found += [(start, 0, f"{person.name}: screen") for start, _ in picture.spans]
        if person.present[0][0] >= least_us:
            found.append((person.present[0][0], 2, f"{person.name} joined"))
    found += [(start, 1, names[who]) for start, who in _long_turns(cast, least_us) if who in names]
    chapters: list[tuple[int, int, str]] = []
    for start, rank, title in sorted(found):
        if chapters and start - chapters[-1][0] < _SHORTEST_US:
            if rank < chapters[-1][1]:
                chapters[-1] = (start, rank, title)
            continue
        chapters.append((start, rank, title))
    if not chapters or chapters[0][0] >= _AT_ONCE_US:
        chapters.insert(0, (0, 3, cast.titles[0][1] or "Start"))
    starts = [0, *(start // 1000 for start, _, _ in chapters[1:])]
    return [
        ComposedChapter(start_ms=start_ms, title=title[:_TITLE_CHARACTERS])
        for start_ms, (_, _, title) in zip(starts, chapters, strict=True)
    ]


def _long_turns(cast: Cast, least_us: int) -> Iterator[tuple[int, str]]:
    """Turns that last; a speaker who goes on after a short interruption goes on."""
    turns = [*turns_of(cast.speakers, cast.duration_us), (cast.duration_us, "")]
    before: str | None = None
    for (start, who), (end, _) in pairwise(turns):
        if end - start >= least_us and who != before:
            before = who
            yield start, who
