"""The table of role and action, row by row."""

from __future__ import annotations

from typing import get_args

import pytest

from appliance.errors import UserError
from appliance.meeting.permissions import ON_SOMEBODY, RANK, TABLE, Action, allowed, check


def test_every_action_has_a_row_and_no_row_is_without_an_action() -> None:
    assert set(TABLE) == set(get_args(Action))
    assert set(TABLE) >= ON_SOMEBODY


def test_what_a_role_may_a_higher_one_may_too() -> None:
    for action in TABLE:
        roles = sorted(RANK, key=lambda role: RANK[role])
        permitted = [allowed(role, action) for role in roles]
        assert permitted == sorted(permitted), action
        assert allowed("host", action)


def test_a_stranger_may_nothing() -> None:
    assert not any(allowed(None, action) for action in TABLE)


@pytest.mark.parametrize(
    ("role", "action", "target", "may"),
    [
        ("participant", "chat", None, True),
        ("participant", "kick", "participant", False),
        ("cohost", "kick", "participant", True),
        ("cohost", "kick", "cohost", True),
        ("cohost", "kick", "host", False),
        ("cohost", "set_role", "participant", False),
        ("host", "set_role", "host", True),
        ("cohost", "mute_participant", "host", False),
        ("cohost", "lock", None, True),
        ("cohost", "end", None, False),
        ("cohost", "record", None, True),
        ("participant", "record", None, False),
        ("cohost", "caption", None, True),
        ("participant", "caption", None, False),
    ],
)
def test_the_table(role: str, action: str, target: str | None, may: bool) -> None:
    assert allowed(role, action, target) is may  # type: ignore[arg-type]
    if may:
        check(role, action, target)  # type: ignore[arg-type]
    else:
        with pytest.raises(UserError) as refused:
            check(role, action, target)  # type: ignore[arg-type]
        assert (refused.value.status, refused.value.code) == (403, "forbidden")
        assert role in str(refused.value)
