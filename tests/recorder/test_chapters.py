"""Chapters are where somebody would jump to, and few enough to be read."""

from __future__ import annotations

from itertools import pairwise

from appliance.recorder.cast import Cast, Person, Picture
from appliance.recorder.chapters import chapters_of

S = 1_000_000


def _cast(people: list[Person], speakers: list[tuple[float, str | None]], seconds: int) -> Cast:
    return Cast(tuple(people), tuple((round(at * S), who) for at, who in speakers), ((0, "Weekly"),), seconds * S)


def _person(name: str, start: int = 0, screen: tuple[int, int] | None = None, end: int = 4000) -> Person:
    screens = (Picture(name, ((screen[0] * S, screen[1] * S),)),) if screen else ()
    return Person(name.lower(), name, ((start * S, end * S),), (), (), screens)


def _chapters(cast: Cast) -> list[tuple[float, str]]:
    return [(chapter.start_ms / 1000, chapter.title) for chapter in chapters_of(cast)]


def test_speakers_screens_and_late_arrivals() -> None:
    people = [_person("Ann"), _person("Bob", 120), _person("Dora", screen=(200, 260))]
    speakers: list[tuple[float, str | None]] = [(5, "ann"), (60, "bob"), (90, None), (150, "ann"), (203, "dora")]
    assert _chapters(_cast(people, speakers, 300)) == [
        (0, "Weekly"),
        (5, "Ann"),
        (60, "Bob"),
        (120, "Bob joined"),
        (150, "Ann"),
        (200, "Dora: screen"),
    ]


def test_who_goes_on_after_an_interruption_begins_no_chapter() -> None:
    speakers: list[tuple[float, str | None]] = [(0, "ann"), (60, "bob"), (64, "ann")]
    assert _chapters(_cast([_person("Ann"), _person("Bob")], speakers, 300)) == [(0, "Ann")]


def test_a_long_meeting_has_no_more_than_a_short_one() -> None:
    names = ["ann", "bob"]
    speakers: list[tuple[float, str | None]] = [(n * 20.0, names[n % 2]) for n in range(700)]
    assert len(_chapters(_cast([_person("Ann"), _person("Bob")], speakers, 14_000))) == 1
    short = _chapters(_cast([_person("Ann"), _person("Bob")], speakers[:30], 600))
    assert len(short) == 30
    assert all(following - at >= 10 for (at, _), (following, _) in pairwise(short))


def test_there_is_always_one() -> None:
    assert _chapters(_cast([], [], 0)) == [(0, "Weekly")]
    assert len(_chapters(_cast([_person("x" * 500)], [(0, "x" * 500)], 60))[0][1]) == 120
