"""How inference fares, for people: frozen structs, without ids of requests or anything of what was said. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec

from appliance.inference.entries import Duty
from appliance.inference.latencies import Latency

State = Literal["off", "no_models", "starting", "ready", "degraded", "down"]
"""``off``: ai.enabled = false. ``no_models``: none is installed, so no worker runs. ``starting``: no worker answered
yet. ``degraded``: it works, and something must be mended, see `InferenceHealth.warnings`. ``down``: every worker was
lost."""


class WorkerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """One worker."""

    name: str
    kind: Literal["local", "remote"]
    state: Literal["stopped", "starting", "up"]
    reason: str = ""
    """Why it is not up."""
    restarts: int = 0
    host: str = ""
    pid: int | None = None
    device: str = ""
    """What it computes on: ``cpu``, ``cuda``, ``tensorrt``."""
    device_wanted: str = ""
    providers: tuple[str, ...] = ()
    """Execution providers of its ONNX Runtime."""
    runtime: str = ""
    threads: int = 0
    rss_bytes: int | None = None
    gpu_bytes: int | None = None
    cpu_s: float | None = None
    in_flight: int = 0
    models_loaded: tuple[str, ...] = ()


class ModelHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A model of the catalog."""

    name: str
    task: str
    version: str
    summary: str
    licence: str
    size_bytes: int
    languages: tuple[str, ...]
    duty: Duty
    default: bool
    installed: bool
    """Here, or at a remote worker."""
    loaded: bool = False
    pinned: bool = False
    providers: tuple[str, ...] = ()
    """What runs its graphs."""
    problem: str = ""
    """Why it could not be loaded."""
    hint: str = ""
    """What an administrator does to have it, while it is not installed."""
    waiting: int = 0
    queued: int = 0
    """At the workers."""
    answered: int = 0
    failed: int = 0
    run_ms: float = 0.0
    """Mean of the last batches, at the worker that took longest."""
    batches: int = 0
    """At the workers; ``answered`` and ``failed`` were in them."""
    max_batch: int = 1
    """The most requests in one."""
    latency: Latency | None = None
    """From question to answer, in this server's eyes; None: it has answered nothing yet."""
    load_ms: float = 0.0


class QueueHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The server's queue."""

    waiting: int = 0
    waiting_bytes: int = 0
    in_flight: int = 0
    sessions: int = 0
    submitted: int = 0
    answered: int = 0
    expired: int = 0
    repeated: int = 0
    lost: int = 0
    shed: dict[str, int] = {}
    """By duty, in the order in which they are shed."""


class InferenceHealth(msgspec.Struct, frozen=True, kw_only=True):
    """All of it."""

    state: State
    warnings: tuple[str, ...] = ()
    gpu_warnings: tuple[str, ...] = ()
    """Those of them that say why a graphics card that is there or configured is not used."""
    workers: tuple[WorkerHealth, ...] = ()
    queue: QueueHealth = QueueHealth()
