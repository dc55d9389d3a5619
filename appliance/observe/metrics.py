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
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from appliance.observe.inference_metrics import InferenceMeter, inference_families

_log = structlog.get_logger(__name__)

# Seconds. From a cached answer (1 ms) over a password hash (0.1 s) to what a person gives up on.
_DURATION_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
# Seconds. A job is picked up within milliseconds; what takes minutes waits for its turn or for somebody to mend it.
_PICK_UP_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0)
_JOB_BUCKETS = (0.01, 0.1, 0.5, 1.0, 5.0, 30.0, 120.0, 600.0, 3600.0)
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
_WORKER_FAULTS = ("stun_rejected", "junk", "policed", "srtp_errors", "replayed", "unknown_ids", "send_drops")


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

    def storage(self, statistics: Numbers) -> None:
        """Add ``ObjectStorage.statistics``: calls by kind, and ``waiting``."""
        self._add("storage_calls", lambda: _storage(statistics()))

    def media(self, statistics: Numbers) -> None:
        """Add ``Sfu.statistics``: ``rooms``, ``sessions``, ``producers``, ``dtls`` {…}, ``workers`` [{…}]."""
        self._add("sfu_packets", lambda: _media(statistics()))

    def meetings(self, statistics: Numbers) -> None:
        """Add ``Live.statistics``: ``meetings``, ``participants``, ``sockets``, ``totals`` {…}."""
        self._add("active_meetings", lambda: _meetings(statistics()))

    def events(self, statistics: Numbers) -> None:
        """Add ``Telling.statistics``: ``relay``, ``live`` and perhaps ``redis``, each {…}."""
        self._add("events", lambda: _events(statistics()))

    def jobs(self, statistics: Numbers) -> None:
        """Add ``Runner.statistics``: ``running``, ``turns`` and, of all servers, ``queue_waiting`` and the like."""
        self._add("jobs_queued", lambda: _jobs(statistics()))

    def job_meter(self) -> JobMeter:
        """What counts the jobs of this server's runner; once."""
        return JobMeter(self.registry)

    def recordings(self, statistics: Callable[[], Mapping[str, Any]]) -> None:
        """Add ``Recorder.statistics``."""
        self._add("recordings", lambda: _recordings(statistics()))

    def plugins(self, statistics: Callable[[], Mapping[str, Mapping[str, float]]]) -> None:
        """Add ``Plugins.statistics``: by plugin, ``enabled``, outcomes of calls, ``latency_total_s``."""
        self._add("plugin_calls", lambda: _plugins(statistics()))

    def inference(self, statistics: Numbers) -> None:
        """Add ``Inference.statistics``."""
        self._add("inference_waiting", lambda: inference_families(statistics))

    def inference_meter(self) -> InferenceMeter:
        """What counts the requests to models; once."""
        return InferenceMeter(self.registry)

    def exposition(self) -> tuple[bytes, str]:
        """Everything, in Prometheus' text format, and its media type."""
        return exposition.generate_latest(self.registry), exposition.CONTENT_TYPE_LATEST

    def _add(self, name: str, read: Callable[[], Iterable[Metric]]) -> None:
        self.registry.register(_Source(name, read))


class JobMeter:
    """Counts jobs by type and outcome, how soon they were picked up and how long they took."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._outcomes = Counter(
            "jobs_total", "Attempts of jobs that ended, by outcome.", ["type", "outcome"], registry=registry
        )
        self._pick_ups = Histogram(
            "job_pickup_seconds",
            "From when a job could begin to when it did.",
            ["type"],
            buckets=_PICK_UP_BUCKETS,
            registry=registry,
        )
        self._durations = Histogram(
            "job_duration_seconds", "Of one attempt.", ["type"], buckets=_JOB_BUCKETS, registry=registry
        )

    def picked_up(self, type: str, seconds: float) -> None:
        """A job began, this long after it could."""
        self._pick_ups.labels(type).observe(seconds)

    def ended(self, type: str, outcome: str, seconds: float) -> None:
        """An attempt ended."""
        self._outcomes.labels(type, outcome).inc()
        self._durations.labels(type).observe(seconds)


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


def _storage(numbers: Mapping[str, Any]) -> Iterable[Metric]:
    calls = CounterMetricFamily("storage_calls", "Calls of the storage, and what came of them.", labels=["kind"])
    for kind, count in numbers.items():
        if kind != "waiting":
            calls.add_metric([kind], count)
    yield calls
    yield GaugeMetricFamily("storage_waiting", "Calls that wait for a thread.", value=numbers["waiting"])


def _jobs(numbers: Mapping[str, Any]) -> Iterable[Metric]:
    queued = GaugeMetricFamily("jobs_queued", "Jobs of all servers by state, ten seconds old.", labels=["state"])
    for state in ("waiting", "running", "dead"):
        queued.add_metric([state], numbers.get(f"queue_{state}", 0))
    yield queued
    yield GaugeMetricFamily("jobs_running", "Jobs that this server works on.", value=numbers["running"])
    yield CounterMetricFamily("jobs_turns", "Transactions of the job runner.", value=numbers["turns"])


def _meetings(numbers: Mapping[str, Any]) -> Iterable[Metric]:
    yield GaugeMetricFamily("active_meetings", "Meetings that run now.", value=numbers["meetings"])
    yield GaugeMetricFamily("meeting_participants", "Connections in meetings.", value=numbers["participants"])
    yield GaugeMetricFamily("signaling_sockets", "Open signaling sockets.", value=numbers["sockets"])
    totals = CounterMetricFamily("signaling_events", "Since the start, by kind.", labels=["kind"])
    for kind, count in numbers["totals"].items():
        totals.add_metric([kind], count)
    yield totals


def _recordings(numbers: Mapping[str, Any]) -> Iterable[Metric]:
    yield GaugeMetricFamily("recordings_active", "Meetings that are being recorded.", value=numbers["recording"])
    for key, meaning in (
        ("started", "Recordings begun."),
        ("stopped", "Recordings whose journals were closed."),
        ("disk_errors", "Recordings that the disk refused or ended."),
        ("records_lost", "Frames that waited for the disk for too long."),
        ("bytes", "Bytes of journals."),
    ):
        yield CounterMetricFamily(f"recordings_{key}", meaning, value=numbers[key])


def _events(numbers: Mapping[str, Any]) -> Iterable[Metric]:
    relay: Mapping[str, Any] = numbers["relay"]
    yield CounterMetricFamily("events", "Events taken from the outbox.", value=relay["spread"])
    told = CounterMetricFamily("event_deliveries", "Events told, by subscriber.", labels=["subscriber", "outcome"])
    for name, counts in relay["subscribers"].items():
        for outcome in ("told", "failures", "given_up"):
            told.add_metric([name, outcome], counts[outcome])
    yield told
    missed = numbers["live"]["missed"]
    yield CounterMetricFamily("events_missed", "Events that listeners of this process were too slow for.", value=missed)
    if "redis" in numbers:
        connected = numbers["redis"]["connected"]
        yield GaugeMetricFamily("redis_connected", "Whether other nodes are heard.", value=connected)


def _plugins(numbers: Mapping[str, Mapping[str, float]]) -> Iterable[Metric]:
    enabled = GaugeMetricFamily("plugin_enabled", "1 while the plugin runs, 0 while it is off.", labels=["plugin"])
    calls = CounterMetricFamily("plugin_calls", "Calls of a plugin's hooks, by outcome.", labels=["plugin", "outcome"])
    latency = SummaryMetricFamily("plugin_call_duration_seconds", "From call to answer.", labels=["plugin"])
    for plugin, values in numbers.items():
        enabled.add_metric([plugin], values["enabled"])
        for outcome in ("succeeded", "undeliverable", "later", "failed", "refused"):
            calls.add_metric([plugin, outcome], values[outcome])
        latency.add_metric([plugin], count_value=int(values["calls"]), sum_value=values["latency_total_s"])
    yield from (enabled, calls, latency)


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
