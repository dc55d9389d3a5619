"""Curves follow a clock through noise, and never move faster than anybody would notice."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from appliance.recorder.drift import CENTRE, FLOOR, MOST_DRIFT, MOST_SLEW, fit, quantile


@pytest.mark.parametrize("ppm", [-100, 0, 100])
def test_four_hours_of_drift_are_followed(ppm: int) -> None:
    chance = random.Random(ppm)
    points = [(s * 1_000_000, round(s * ppm + chance.gauss(0, 3000))) for s in range(0, 14_400, 5)]
    curve = fit(points, CENTRE)
    assert max(abs(curve.at(s * 1e6) - s * ppm) for s in range(0, 14_400, 7)) < 4_000
    assert abs(curve.at(-30e6) + 30 * ppm) < 4_000  # before the first reading


def test_the_floor_is_where_nothing_was_delayed() -> None:
    chance = random.Random(1)
    points = [(s * 1_000_000, round(20_000 + chance.expovariate(1 / 30_000))) for s in range(600)]
    curve = fit(points, FLOOR)
    assert all(20_000 <= curve.at(s * 1e6) < 29_000 for s in range(600))


def test_a_step_is_taken_slowly_and_half_before() -> None:
    points = [(s * 1_000_000, 0 if s < 300 else 900_000) for s in range(600)]
    curve = fit(points, CENTRE)
    at = [curve.at(s * 1e6) for s in range(600)]
    assert max(abs(b - a) for a, b in pairwise(at)) <= (MOST_SLEW + 2 * MOST_DRIFT) * 1e6
    assert at[0] < 320_000
    assert at[599] > 580_000


def test_few_readings_have_no_slope() -> None:
    assert fit([(0, 5)], CENTRE).at(10**9) == 5
    curve = fit([(0, 0), (1_000_000, 9000), (2_000_000, 5000)], CENTRE)
    assert curve.at(0) == curve.at(60e6) == 5000


def test_quantiles() -> None:
    assert quantile([3, 1, 2], CENTRE) == 2
    assert quantile([3, 1, 2], FLOOR) == 1
    assert quantile([7], 1.0) == 7
