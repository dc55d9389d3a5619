"""How many seats are asked for, and how often."""

from __future__ import annotations

import random

import pytest

from appliance.signaling.messages import MediaNeed
from appliance.signaling.negotiation import VOICES_WITHOUT_TILE, SeatPlan


def test_seats_double_up_to_the_most_and_never_shrink() -> None:
    plan = SeatPlan(initial=4, most=25, audio_seats=0)
    asked = [need.seats for pairs in [*range(60), 3, 0] if (need := plan.grow(pairs)) is not None]
    assert asked == [8, 16, 25, 25, 25, 25]
    assert plan.need == MediaNeed(seats=25, audio_seats=VOICES_WITHOUT_TILE)


def test_a_small_client_gets_small_numbers() -> None:
    assert SeatPlan(initial=4, most=2, audio_seats=0).need == MediaNeed(seats=2, audio_seats=0)
    none = SeatPlan(initial=4, most=0, audio_seats=0)
    assert none.need == MediaNeed(seats=0, audio_seats=0)
    assert none.grow(2) == MediaNeed(seats=0, audio_seats=2)
    zero = SeatPlan(initial=0, most=9, audio_seats=1)
    assert zero.grow(1) == MediaNeed(seats=1, audio_seats=1)


@pytest.mark.parametrize("seed", range(20))
def test_the_need_covers_and_only_grows(seed: int) -> None:
    rng = random.Random(seed)
    most = rng.randint(0, 49)
    plan = SeatPlan(initial=rng.randint(0, 8), most=most, audio_seats=rng.randint(0, 3))
    asked = 0
    for _ in range(200):
        before, pairs = plan.need, rng.randint(0, 100)
        asked += plan.grow(pairs) is not None
        assert plan.need.seats >= min(pairs, most)
        assert before.seats <= plan.need.seats <= max(most, before.seats)
        assert before.audio_seats <= plan.need.audio_seats
        assert plan.grow(pairs) is None
    assert asked <= 7 + VOICES_WITHOUT_TILE
