"""What who asks a model gets, and what a server is told of workers elsewhere. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from appliance.errors import ParleyError
from appliance.inference.link import Curve


class InferenceError(ParleyError):
    """There is no answer, and why. ``code``: `model_not_installed`, `model_unknown`, `model_broken`,
    `model_unavailable`, `overloaded`, `expired`, `worker_died`, `task_failed`, `ai_off`, or one of a task's own."""


class Reply(msgspec.Struct, frozen=True):
    """A model's answer."""

    values: Any
    payload: bytes
    model: str
    worker: str
    epoch: int
    """Of the session; another one than before: its state was lost with a worker. 0 without a session."""
    latency_ms: float
    """From the question to this."""
    queued_ms: float
    """In the worker."""
    run_ms: float
    """Of the batch that it was in."""
    batch: int


class RemoteWorker(msgspec.Struct, frozen=True):
    """A worker on another machine. Without keys only where the network is trusted wholly."""

    endpoint: str
    curve: Curve | None
