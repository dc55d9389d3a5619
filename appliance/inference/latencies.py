"""How long the last answers of each model took, from question to answer; pure.

Owns the samples, of a bounded number for each model; refuses to know who asked. What Prometheus counts over all time is
`observe.inference_metrics`'s: this is what somebody wants to know who looks now.
"""

from __future__ import annotations

from collections import deque

import msgspec

# As many as make a 99th percentile worth a name: it is the fifth slowest.
KEPT = 512


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Of a model's last answers, at most `KEPT` of them. Milliseconds."""

    samples: int
    p50_ms: float
    p99_ms: float


class Latencies:
    """One server's."""

    def __init__(self) -> None:
        self._by_model: dict[str, deque[float]] = {}

    def note(self, model: str, took_ms: float) -> None:
        """An answer came."""
        self._by_model.setdefault(model, deque(maxlen=KEPT)).append(took_ms)

    def of(self, model: str) -> Latency | None:
        """None: it has answered nothing yet."""
        kept = sorted(self._by_model.get(model, ()))
        if not kept:
            return None
        return Latency(samples=len(kept), p50_ms=_rank(kept, 0.5), p99_ms=_rank(kept, 0.99))


def _rank(ordered: list[float], share: float) -> float:
    # Nearest rank: a time that was measured, never one between two.
    return ordered[max(0, -int(-share * len(ordered) // 1) - 1)]
