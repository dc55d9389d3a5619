"""Streams that are open at the same time are bounded, of one account and of all."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from appliance.api.stream_places import StreamPlaces
from appliance.errors import UserError


def test_of_one_and_of_all() -> None:
    places = StreamPlaces(of_one=2, of_all=3)
    with ExitStack() as stack:
        for who in ("ann", "ann", "ben"):
            stack.enter_context(places.hold(who))
        for who, code in (("ann", "too_many_streams"), ("ben", "overloaded")):
            with pytest.raises(UserError) as refused, places.hold(who):
                pytest.fail("there was a place")
            assert refused.value.code == code
        assert places.taken == 3
    assert places.taken == 0
    with places.hold("ann"):
        assert places.taken == 1
