"""What Prometheus reads."""

from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from appliance.observe.metrics import Metrics

WORKER: dict[str, Any] = {
    "worker": 0,
    "packets_in": 10,
    "packets_out": 30,
    "bytes_in": 1000,
    "bytes_out": 3000,
    "stun_rejected": 1,
    "junk": 2,
    "srtp_errors": 3,
    "replayed": 4,
    "unknown_ids": 5,
    "send_drops": 6,
    "cpu_s": 1.5,
}


def _samples(metrics: Metrics) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    content, media_type = metrics.exposition()
    assert media_type.startswith("text/plain")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(content.decode())
        for sample in family.samples
    }


def _value(metrics: Metrics, name: str, **labels: str) -> float:
    return _samples(metrics)[name, frozenset(labels.items())]


def test_requests_are_counted_and_timed() -> None:
    metrics = Metrics()
    metrics.request("GET", "/api/v1/users/{id}", 200, 0.02)
    metrics.request("GET", "/api/v1/users/{id}", 200, 0.2)
    metrics.request("POST", "/api/v1/meetings", 400, 0.001)
    route = {"method": "GET", "route": "/api/v1/users/{id}"}
    assert _value(metrics, "http_requests_total", **route, status="200") == 2
    assert _value(metrics, "http_request_duration_seconds_count", **route) == 2
    assert _value(metrics, "http_request_duration_seconds_sum", **route) == pytest.approx(0.22)
    assert _value(metrics, "http_request_duration_seconds_bucket", **route, le="0.025") == 1


def test_strange_methods_share_a_label() -> None:
    metrics = Metrics()
    for number in range(100):
        metrics.request(f"X{number}", "none", 405, 0.0)
    assert _value(metrics, "http_requests_total", method="other", route="none", status="405") == 100


def test_sources_are_asked_at_each_scrape() -> None:
    metrics = Metrics()
    people = 0
    metrics.gauge("active_users", "People.", lambda: people)
    assert _value(metrics, "active_users") == 0
    people = 7
    assert _value(metrics, "active_users") == 7


def test_the_parts_numbers_have_names() -> None:
    metrics = Metrics()
    metrics.database(
        lambda: {
            "connections": 5,
            "connections_idle": 3,
            "queued": 1,
            "transactions": 9,
            "retries": 2,
            "failures": 1,
        }
    )
    metrics.media(lambda: {"rooms": 1, "sessions": 2, "producers": 3, "dtls": {}, "workers": [WORKER]})
    metrics.meetings(lambda: {"meetings": 1, "participants": 2, "sockets": 3, "rooms": {}, "totals": {"joins": 4}})
    assert _value(metrics, "db_connections", state="idle") == 3
    assert _value(metrics, "db_connections", state="busy") == 2
    assert _value(metrics, "db_transactions_total") == 9
    assert _value(metrics, "sfu_sessions") == 2
    assert _value(metrics, "sfu_packets_total", worker="0", direction="out") == 30
    assert _value(metrics, "sfu_bytes_total", worker="0", direction="in") == 1000
    assert _value(metrics, "sfu_faults_total", worker="0", reason="srtp_errors") == 3
    assert _value(metrics, "sfu_cpu_seconds_total", worker="0") == 1.5
    assert _value(metrics, "active_meetings") == 1
    assert _value(metrics, "meeting_participants") == 2
    assert _value(metrics, "signaling_events_total", kind="joins") == 4


def test_the_process_is_measured_too() -> None:
    samples = {name for name, _ in _samples(Metrics())}
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"} <= samples


def test_two_servers_do_not_share_numbers() -> None:
    one, other = Metrics(), Metrics()
    one.request("GET", "/", 200, 0.0)
    assert ("http_requests_total", frozenset({("method", "GET"), ("route", "/"), ("status", "200")})) not in _samples(
        other
    )
