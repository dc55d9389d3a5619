"""Events are facts: past tense, frozen, all of them in the union."""

from __future__ import annotations

import dataclasses
import inspect
from typing import get_args

import pytest

from appliance.meeting import events


def test_the_union_holds_every_event() -> None:
    shapes = {
        shape
        for _, shape in inspect.getmembers(events, inspect.isclass)
        if shape.__module__ == events.__name__
    }
    assert set(get_args(events.MeetingEvent)) == shapes


def test_an_event_cannot_be_changed() -> None:
    ended = events.MeetingEnded("prt_1")
    with pytest.raises(dataclasses.FrozenInstanceError):
        ended.by = "prt_2"  # type: ignore[misc]
