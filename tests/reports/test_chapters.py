"""A meeting is cut where its words change, and nowhere else."""

from __future__ import annotations

import random

from appliance.reports.chapters import boundaries


def _part(words: str, count: int, chance: random.Random) -> list[list[str]]:
    return [chance.choices(words.split(), k=5) for _ in range(count)]


def _cut(*parts: list[list[str]], each_ms: int = 10_000) -> list[int]:
    documents = [document for part in parts for document in part]
    starts = [number * each_ms for number in range(len(documents))]
    return boundaries(documents, starts, len(documents) * each_ms)


def test_a_new_subject_is_a_new_chapter() -> None:
    chance = random.Random(3)
    stairs, money = "stairs wood steps handrail wide", "budget euro invoice tax bank"
    party = "cake music guests hall wine"
    found = _cut(_part(stairs, 40, chance), _part(money, 40, chance), _part(party, 40, chance))
    assert found[0] == 0 and len(found) == 3
    assert abs(found[1] - 40) <= 2 and abs(found[2] - 80) <= 2


def test_one_subject_and_a_short_meeting_are_one_chapter() -> None:
    chance = random.Random(3)
    assert _cut(_part("stairs", 60, chance)) == [0]
    assert _cut(_part("a b c", 9, chance)) == [0]
    assert boundaries([["a"]], [0], 10) == [0]


def test_an_aside_is_none() -> None:
    """Twelve phrases of another subject within two minutes."""
    chance = random.Random(3)
    around = "stairs wood steps handrail wide"
    found = _cut(_part(around, 12, chance), _part("cake wine music hall", 12, chance), each_ms=5000)
    assert found == [0]


def test_a_day_has_no_more_than_a_dozen() -> None:
    chance = random.Random(3)
    parts = [_part(" ".join(f"w{part}_{n}" for n in range(6)), 100, chance) for part in range(30)]
    found = _cut(*parts)
    assert 8 <= len(found) <= 12
    assert all(number % 100 in (*range(8), *range(92, 100)) for number in found)
