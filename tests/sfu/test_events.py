"""Events are values that name their participant."""

from __future__ import annotations

import dataclasses

import pytest

from appliance.sfu.events import DataMessage, SessionLost, Speakers


class Somebody:
    participant_id = "prt_1"


def test_events_of_a_session_name_its_participant() -> None:
    somebody = Somebody()
    lost = SessionLost(somebody, "gone")  # type: ignore[arg-type]
    assert lost.participant_id == "prt_1" and lost.reason == "gone"
    assert lost == SessionLost(somebody, "gone")  # type: ignore[arg-type]
    assert DataMessage(somebody, "captions", "x").label == "captions"  # type: ignore[arg-type]


def test_events_are_frozen() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Speakers((), None).dominant = "x"  # type: ignore[misc]
