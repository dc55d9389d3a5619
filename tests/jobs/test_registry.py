"""Bindings, and how many of each type may begin."""

from __future__ import annotations

import pytest

from appliance.job_records import Room
from appliance.jobs.places import JobContext
from appliance.jobs.registry import Registry
from appliance.jobs.schedule import Every
from tests.support.queued_jobs import Number, number_type


async def _task(_context: JobContext, _payload: Number) -> None:
    raise AssertionError("not run here")


def _compute(_payload: Number) -> None:
    raise AssertionError("not run here")


def _registry() -> Registry:
    registry = Registry(processes=2)
    registry.task(number_type("a"), _task)
    registry.thread(number_type("b"), _task)
    registry.task(number_type("limited", at_once=3), _task)
    registry.process(number_type("p"), _compute)
    registry.process(number_type("q"), _compute)
    registry.process(number_type("single", at_once=1), _compute)
    return registry


def test_rooms_at_rest() -> None:
    assert set(_registry().rooms({}, 8)) == {
        Room(types=("a", "b"), free=8),
        Room(types=("limited",), free=3),
        Room(types=("p", "q"), free=2),
        Room(types=("single",), free=1),
    }


def test_what_runs_takes_room() -> None:
    rooms = _registry().rooms({"limited": 2, "p": 1}, 5)
    assert Room(types=("limited",), free=1) in rooms
    assert Room(types=("p", "q"), free=1) in rooms
    full = _registry().rooms({"limited": 3, "p": 1, "single": 1}, 4)
    assert {room.types for room in full} == {("a", "b")}
    assert _registry().rooms({"limited": 3, "p": 2}, 0) == ()


def test_a_type_has_one_handler_and_a_schedule_one_name() -> None:
    registry = _registry()
    with pytest.raises(ValueError, match="'a' has a handler already"):
        registry.task(number_type("a"), _task)
    registry.recur("hourly", number_type("a"), Number(1), Every(3600))
    with pytest.raises(ValueError, match="'hourly' exists already"):
        registry.recur("hourly", number_type("a"), Number(2), Every(60))
