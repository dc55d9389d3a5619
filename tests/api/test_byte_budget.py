"""Bytes that are held at the same time are bounded, and given back whatever happens."""

from __future__ import annotations

import pytest

from appliance.api.byte_budget import ByteBudget
from appliance.errors import UserError


def test_what_does_not_fit_is_refused() -> None:
    budget = ByteBudget(100)
    with budget.hold(60), budget.hold(40):
        assert budget.taken == 100
        with pytest.raises(UserError) as refused, budget.hold(1):
            pytest.fail("there was room")
        assert (refused.value.status, refused.value.code) == (503, "overloaded")
        assert refused.value.retry_after_s
    assert budget.taken == 0


def test_a_failure_gives_it_back() -> None:
    budget = ByteBudget(100)
    with pytest.raises(LookupError), budget.hold(100):
        raise LookupError
    assert budget.taken == 0
