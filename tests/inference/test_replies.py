"""What who asks gets."""

from __future__ import annotations

from appliance.errors import ParleyError
from appliance.inference.link import Curve
from appliance.inference.replies import InferenceError, RemoteWorker


def test_an_error_is_for_people_and_for_machines() -> None:
    error = InferenceError("overloaded", "too many requests wait")
    assert isinstance(error, ParleyError)
    assert (error.code, str(error)) == ("overloaded", "too many requests wait")


def test_a_workers_secret_is_in_no_text() -> None:
    assert "hidden" not in repr(RemoteWorker("tcp://x:1", Curve("server", "public", "hidden")))
