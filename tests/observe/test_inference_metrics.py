"""What Prometheus reads of inference."""

from __future__ import annotations

import pytest

from appliance.observe.metrics import Metrics
from tests.observe.test_metrics import _value

NUMBERS = {
    "waiting_by_model": {"asr": 3},
    "waiting_bytes": 1000,
    "sessions": 2,
    "shed": {"vision": 5, "audio": 1, "captions": 0},
    "expired": 4,
    "repeated": 3,
    "lost": 1,
    "running_by_worker": {"local-1": 7},
    "workers": {
        "local-1": {
            "up": True,
            "restarts": 2,
            "rss_bytes": 300_000_000,
            "gpu_bytes": 0,
            "cpu_s": 1.5,
            "gpu_unused": True,
            "models_loaded": 4,
        }
    },
}


def test_requests_are_timed_by_model_and_outcome() -> None:
    metrics = Metrics()
    meter = metrics.inference_meter()
    meter("asr", "answered", 0.02)
    meter("asr", "answered", 0.2)
    meter("emotion", "overloaded", 0.0)
    assert _value(metrics, "inference_request_seconds_count", model="asr", outcome="answered") == 2
    assert _value(metrics, "inference_request_seconds_sum", model="asr", outcome="answered") == pytest.approx(0.22)
    assert _value(metrics, "inference_request_seconds_count", model="emotion", outcome="overloaded") == 1


def test_the_queue_and_the_workers_are_told() -> None:
    metrics = Metrics()
    metrics.inference(lambda: NUMBERS)
    assert _value(metrics, "inference_waiting", model="asr") == 3
    assert _value(metrics, "inference_shed_total", duty="vision") == 5
    assert _value(metrics, "inference_repeated_total") == 3
    assert _value(metrics, "inference_in_flight", worker="local-1") == 7
    assert _value(metrics, "inference_worker_up", worker="local-1") == 1
    assert _value(metrics, "inference_worker_gpu_unused", worker="local-1") == 1
    assert _value(metrics, "inference_worker_memory_bytes", worker="local-1") == 300_000_000
    assert _value(metrics, "inference_worker_restarts_total", worker="local-1") == 2
