"""Numbers of inference for Prometheus: requests by model and outcome, the queue, what is shed, the workers.

Owns names, labels and units, as `metrics` does for the rest. Labels: models of the catalog, workers of the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric

# Seconds. A frame of sound takes under a millisecond, a phrase 0.2 s, what nobody waits for any longer half a minute.
_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)


class InferenceMeter:
    """Counts requests to models, by outcome, and how long they took from question to answer."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._durations = Histogram(
            "inference_request_seconds",
            "From a question to a model to its answer, or to the reason why there is none.",
            ["model", "outcome"],
            buckets=_BUCKETS,
            registry=registry,
        )

    def __call__(self, model: str, outcome: str, seconds: float) -> None:
        """A request ended. ``outcome``: ``answered``, or the code of its error; those of tasks are few."""
        self._durations.labels(model, outcome).observe(seconds)


def inference_families(statistics: Callable[[], Mapping[str, Any]]) -> Iterable[Metric]:
    """Of ``Inference.statistics``."""
    numbers = statistics()
    waiting = GaugeMetricFamily("inference_waiting", "Requests that wait for a worker, by model.", labels=["model"])
    for model, count in numbers["waiting_by_model"].items():
        waiting.add_metric([model], count)
    yield waiting
    yield GaugeMetricFamily("inference_waiting_bytes", "Bytes of their payloads.", value=numbers["waiting_bytes"])
    yield GaugeMetricFamily("inference_sessions", "Streams that are open at workers.", value=numbers["sessions"])
    shed = CounterMetricFamily("inference_shed", "Requests dropped because too many waited.", labels=["duty"])
    for duty, count in numbers["shed"].items():
        shed.add_metric([duty], count)
    yield shed
    for key, meaning in (
        ("expired", "Requests whose deadline passed."),
        ("repeated", "Requests given to another worker, because theirs died."),
        ("lost", "Requests that were there when two workers died."),
    ):
        yield CounterMetricFamily(f"inference_{key}", meaning, value=numbers[key])
    yield from _workers(numbers["workers"], numbers["running_by_worker"])


def _workers(workers: Mapping[str, Mapping[str, Any]], running: Mapping[str, int]) -> Iterable[Metric]:
    gauges = {
        "up": GaugeMetricFamily("inference_worker_up", "1 while the worker answers.", labels=["worker"]),
        "rss_bytes": GaugeMetricFamily("inference_worker_memory_bytes", "Its resident memory.", labels=["worker"]),
        "gpu_bytes": GaugeMetricFamily(
            "inference_worker_gpu_memory_bytes", "Its memory of graphics cards.", labels=["worker"]
        ),
        "gpu_unused": GaugeMetricFamily(
            "inference_worker_gpu_unused", "1 where a card is there or wanted, and not used.", labels=["worker"]
        ),
        "models_loaded": GaugeMetricFamily("inference_models_loaded", "Models in its memory.", labels=["worker"]),
    }
    restarts = CounterMetricFamily("inference_worker_restarts", "How often the worker was lost.", labels=["worker"])
    cpu = CounterMetricFamily("inference_worker_cpu_seconds", "CPU time of its process.", labels=["worker"])
    in_flight = GaugeMetricFamily("inference_in_flight", "Requests that it has.", labels=["worker"])
    for name, values in workers.items():
        for key, family in gauges.items():
            family.add_metric([name], float(values[key]))
        restarts.add_metric([name], values["restarts"])
        cpu.add_metric([name], values["cpu_s"])
        in_flight.add_metric([name], running.get(name, 0))
    yield from (*gauges.values(), restarts, cpu, in_flight)
