"""Who keeps the runner's rows keeps all of its protocol."""

from __future__ import annotations

import inspect

from appliance.chores import StoreQueue
from appliance.jobs.ports import Meter, Queue
from appliance.observe.metrics import JobMeter


def _methods(protocol: type) -> dict[str, list[str]]:
    return {
        name: list(inspect.signature(value).parameters)
        for name, value in inspect.getmembers(protocol, inspect.isfunction)
        if not name.startswith("_")
    }


def test_the_store_and_the_metrics_keep_the_protocols() -> None:
    assert set(_methods(Queue)) == {"listen", "begin", "turn", "tick", "count"}
    for protocol, kept in ((Queue, StoreQueue), (Meter, JobMeter)):
        for name, parameters in _methods(protocol).items():
            assert _methods(kept)[name] == parameters, name
