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
    "policed": 0,
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


def test_plugins_are_counted_by_name_and_outcome() -> None:
    metrics = Metrics()
    numbers = {"enabled": 1.0, "calls": 3, "succeeded": 2, "undeliverable": 0, "later": 0, "failed": 1, "refused": 4}
    metrics.plugins(lambda: {"email": {**numbers, "latency_total_s": 1.5}})
    assert _value(metrics, "plugin_enabled", plugin="email") == 1
    assert _value(metrics, "plugin_calls_total", plugin="email", outcome="succeeded") == 2
    assert _value(metrics, "plugin_calls_total", plugin="email", outcome="failed") == 1
    assert _value(metrics, "plugin_calls_total", plugin="email", outcome="refused") == 4
    assert _value(metrics, "plugin_call_duration_seconds_count", plugin="email") == 3
    assert _value(metrics, "plugin_call_duration_seconds_sum", plugin="email") == 1.5


def test_the_process_is_measured_too() -> None:
    samples = {name for name, _ in _samples(Metrics())}
    assert {"process_resident_memory_bytes", "process_cpu_seconds_total", "process_open_fds"} <= samples


def test_two_servers_do_not_share_numbers() -> None:
    one, other = Metrics(), Metrics()
    one.request("GET", "/", 200, 0.0)
    assert ("http_requests_total", frozenset({("method", "GET"), ("route", "/"), ("status", "200")})) not in _samples(
        other
    )


def test_jobs_are_counted_by_type_and_outcome() -> None:
    metrics = Metrics()
    numbers = {"running": 2, "turns": 9}
    metrics.jobs(lambda: numbers)
    assert _value(metrics, "jobs_queued", state="dead") == 0  # nobody has counted yet
    numbers.update(queue_waiting=5, queue_running=3, queue_dead=1)
    meter = metrics.job_meter()
    meter.picked_up("mail.send", 0.02)
    meter.ended("mail.send", "done", 0.3)
    meter.ended("mail.send", "failed", 0.3)
    assert _value(metrics, "jobs_total", type="mail.send", outcome="done") == 1
    assert _value(metrics, "jobs_total", type="mail.send", outcome="failed") == 1
    assert _value(metrics, "job_pickup_seconds_bucket", type="mail.send", le="0.025") == 1
    assert _value(metrics, "job_duration_seconds_sum", type="mail.send") == pytest.approx(0.6)
    assert [_value(metrics, "jobs_queued", state=state) for state in ("waiting", "running", "dead")] == [5, 3, 1]
    assert (_value(metrics, "jobs_running"), _value(metrics, "jobs_turns_total")) == (2, 9)


def test_the_storage_counts_its_calls() -> None:
    metrics = Metrics()
    metrics.storage(lambda: {"reads": 3, "failures": 1, "waiting": 2})
    assert _value(metrics, "storage_calls_total", kind="reads") == 3
    assert _value(metrics, "storage_calls_total", kind="failures") == 1
    assert _value(metrics, "storage_waiting") == 2
