"""The health that people are told is plain data."""

from __future__ import annotations

import msgspec

from appliance.inference.health import InferenceHealth, QueueHealth, WorkerHealth


def test_it_is_json_and_back() -> None:
    health = InferenceHealth(
        state="ready",
        workers=(WorkerHealth(name="local-1", kind="local", state="up", device="cpu"),),
        queue=QueueHealth(waiting=1, shed={"vision": 2}),
    )
    assert msgspec.json.decode(msgspec.json.encode(health), type=InferenceHealth) == health
