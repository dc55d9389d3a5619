"""Who coughs does not get the floor; who speaks does, from the first word on."""

from __future__ import annotations

from appliance.recorder.turns import turns_of

S = 1_000_000


def _turns(*speakers: tuple[float, str | None], until: float = 60) -> list[tuple[float, str]]:
    found = turns_of([(round(at * S), who) for at, who in speakers], round(until * S))
    return [(at / S, who) for at, who in found]


def test_speakers_follow_one_another() -> None:
    assert _turns((1, "a"), (10, "b"), (20, None), (30, "a")) == [(1, "a"), (10, "b"), (30, "a")]


def test_an_interjection_is_none() -> None:
    assert _turns((1, "a"), (10, "b"), (10.8, "a"), (20, "c"), (20.5, None)) == [(1, "a")]


def test_speech_in_pieces_counts_together() -> None:
    assert _turns((1, "a"), (10, "b"), (10.7, "a"), (11, "b"), (12, "a"), (20, "a")) == [(1, "a"), (10, "b"), (12, "a")]


def test_pictures_stand_two_seconds_at_least() -> None:
    turns = _turns((0, "a"), (10, "b"), (11.4, "c"), (20, "c"))
    assert turns == [(0, "a"), (10, "b"), (12, "c")]


def test_the_first_and_the_last_words_count() -> None:
    assert _turns((0.5, "a"), (1.0, None), until=2) == [(0.5, "a")]
    assert _turns((0, "a"), (59, "b"), until=60) == [(0, "a"), (59, "b")]
    assert _turns() == []
