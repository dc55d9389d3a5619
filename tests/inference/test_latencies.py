"""Percentiles are times that were measured, of the last answers only."""

from __future__ import annotations

from appliance.inference.latencies import KEPT, Latencies, Latency


def test_a_model_that_answered_nothing_has_none() -> None:
    latencies = Latencies()
    latencies.note("other", 1.0)
    assert latencies.of("asr") is None


def test_the_ranks_are_nearest() -> None:
    latencies = Latencies()
    latencies.note("asr", 7.0)
    assert latencies.of("asr") == Latency(samples=1, p50_ms=7.0, p99_ms=7.0)
    for took_ms in range(1, 101):
        latencies.note("vad", float(101 - took_ms))
    assert latencies.of("vad") == Latency(samples=100, p50_ms=50.0, p99_ms=99.0)


def test_only_the_last_ones_count() -> None:
    latencies = Latencies()
    for took_ms in [1000.0] * 5 + [2.0] * KEPT:
        latencies.note("asr", took_ms)
    assert latencies.of("asr") == Latency(samples=KEPT, p50_ms=2.0, p99_ms=2.0)
