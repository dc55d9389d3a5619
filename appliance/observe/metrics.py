"""Numbers for Prometheus, in a registry of our own.

Owns the names, labels and units of metrics; refuses to know who counts. Parts hand over a function that is asked at
each scrape. Labels take few values: route patterns, never paths; worker numbers, never rooms or users.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import structlog
from prometheus_client import (
    GC_COLLECTOR,
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    exposition,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_log = structlog.get_logger(__name__)

# Seconds. From a cached answer (1 ms) over a password hash (0.1 s) to what a person gives up on.
_DURATION_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

Numbers = Callable[[], Mapping[str, Any]]
"""A ``statistics()`` method: numbers by name, asked at each scrape."""

# data plane worker counter → (metric, label values beside the worker); meanings in _dataplane.pyi.
_WORKER_COUNTERS: dict[str, tuple[str, str]] = {
    "packets_in": ("sfu_packets", "in"),
    "packets_out": ("sfu_packets", "out"),
    "bytes_in": ("sfu_bytes", "in"),
    "bytes_out": ("sfu_bytes", "out"),
}
_WORKER_FAULTS = ("stun_rejected", "junk", "srtp_errors", "replayed", "unknown_ids", "send_drops")


class Metrics:
    """The registry of one server."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests_total", "Answered HTTP requests.", ["method", "route", "status"], registry=self.registry
        )
        self._durations = Histogram(
            "http_request_duration_seconds",
            "From the request's head to the end of the answer.",
            ["method", "route"],
            buckets=_DURATION_BUCKETS,
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.registry.register(GC_COLLECTOR)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answered request. ``route`` is the pattern, not the path: its values are few."""
        known = method if method in _METHODS else "other"
        self._requests.labels(known, route, str(status)).inc()
        self._durations.labels(known, route).observe(seconds)

    def gauge(self, name: str, meaning: str, read: Callable[[], float]) -> None:
        """Add a number that goes up and down; ``read`` is asked at each scrape."""
        self._add(name, lambda: [GaugeMetricFamily(name, meaning, value=read())])

    def database(self, statistics: Numbers) -> None:
        """Add ``Database.statistics``."""
        self._add("db_connections", lambda: _database(statistics()))

    def media(self, statistics: Numbers) -> None:
        """Add ``Sfu.statistics``: ``rooms``, ``sessions``, ``producers``, ``dtls`` {…}, ``workers`` [{…}]."""
        self._add("sfu_packets", lambda: _media(statistics()))

    def meetings(self, statistics: Numbers) -> None:
        """Add ``Live.statistics``: ``meetings``, ``participants``, ``sockets``, ``totals`` {…}."""
        self._add("active_meetings", lambda: _meetings(statistics()))

    def exposition(self) -> tuple[bytes, str]:
        """Everything, in Prometheus' text format, and its media type."""
        return exposition.generate_latest(self.registry), exposition.CONTENT_TYPE_LATEST

    def _add(self, name: str, read: Callable[[], Iterable[Metric]]) -> None:
        self.registry.register(_Source(name, read))


class _Source(Collector):
    """A function as a collector."""

    def __init__(self, name: str, read: Callable[[], Iterable[Metric]]) -> None:
        self._name = name
        self._read = read

    def describe(self) -> Iterable[Metric]:
        # Without this the registry would ask for values at registration, before their owner is ready.
        return [Metric(self._name, "", "untyped")]

    def collect(self) -> Iterable[Metric]:
        return self._read()


def _database(numbers: Mapping[str, Any]) -> Iterable[Metric]:
    connections = GaugeMetricFamily("db_connections", "Database connections.", labels=["state"])
    idle = numbers["connections_idle"]
    connections.add_metric(["idle"], idle)
    connections.add_metric(["busy"], numbers["connections"] - idle)
    yield connections
    yield GaugeMetricFamily("db_queued", "Transactions that wait for a connection.", value=numbers["queued"])
    for key, meaning in (
        ("transactions", "Transactions run."),
        ("retries", "Transactions run again after a conflict."),
        ("failures", "Transactions rolled back by an error."),
    ):
        yield CounterMetricFamily(f"db_{key}", meaning, value=numbers[key])


def _meetings(numbers: Mapping[str, Any]) -> Iterable[Metric]:
    yield GaugeMetricFamily("active_meetings", "Meetings that run now.", value=numbers["meetings"])
    yield GaugeMetricFamily("meeting_participants", "Connections in meetings.", value=numbers["participants"])
    yield GaugeMetricFamily("signaling_sockets", "Open signaling sockets.", value=numbers["sockets"])
    totals = CounterMetricFamily("signaling_events", "Since the start, by kind.", labels=["kind"])
    for kind, count in numbers["totals"].items():
        totals.add_metric([kind], count)
    yield totals


def _media(numbers: Mapping[str, Any]) -> Iterable[Metric]:
    yield GaugeMetricFamily("sfu_rooms", "Open rooms.", value=numbers["rooms"])
    yield GaugeMetricFamily("sfu_sessions", "Peer connections.", value=numbers["sessions"])
    yield GaugeMetricFamily("sfu_producers", "Published tracks.", value=numbers["producers"])
    workers: Sequence[Mapping[str, Any]] = numbers["workers"]
    families = {
        "sfu_packets": CounterMetricFamily("sfu_packets", "Media packets.", labels=["worker", "direction"]),
        "sfu_bytes": CounterMetricFamily("sfu_bytes", "Bytes of media packets.", labels=["worker", "direction"]),
    }
    faults = CounterMetricFamily("sfu_faults", "Packets that were not used, by reason.", labels=["worker", "reason"])
    cpu = CounterMetricFamily("sfu_cpu_seconds", "CPU time of the worker thread.", labels=["worker"])
    for worker in workers:
        number = str(worker["worker"])
        for key, (family, direction) in _WORKER_COUNTERS.items():
            families[family].add_metric([number, direction], worker[key])
        for reason in _WORKER_FAULTS:
            faults.add_metric([number, reason], worker[reason])
        cpu.add_metric([number], worker["cpu_s"])
    yield from (*families.values(), faults, cpu)
