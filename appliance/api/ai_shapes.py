"""What answers about the AI functions hold. See `shapes`; what administrators see is `inference.health`'s."""

from __future__ import annotations

from typing import Any

from appliance.api.shapes import Shape
from appliance.inference.entries import CatalogEntry, Duty
from appliance.inference.health import InferenceHealth, ModelHealth, State
from appliance.job_records import JobState
from appliance.questions.options import Function


class ModelView(Shape, frozen=True, kw_only=True):
    """A model, as everybody who is signed in may know it."""

    name: str
    task: str
    version: str
    summary: str
    licence: str
    languages: tuple[str, ...]
    """BCP 47; empty where that means nothing, or all."""
    duty: Duty
    installed: bool
    loaded: bool
    """In memory; one that is not is loaded when it is first asked."""


class TaskView(Shape, frozen=True, kw_only=True):
    """Something that models do."""

    task: str
    available: bool
    """Whether a model for it is installed."""
    models: tuple[str, ...]
    """Those that are installed; the first one is asked unless somebody says otherwise."""
    reason: str | None
    """Why it is not available."""


class AiInfo(Shape, frozen=True, kw_only=True):
    """What the AI functions of this server can do."""

    enabled: bool
    tasks: tuple[TaskView, ...]


class AiHealth(Shape, frozen=True, kw_only=True):
    """How the AI functions fare."""

    state: State
    """``off``, ``no_models``, ``starting``, ``ready``, ``degraded`` (see ``warnings``), ``down``."""
    devices: tuple[str, ...]
    """What the workers compute on: ``cpu``, ``cuda``, ``tensorrt``."""
    gpu_unused: bool
    """A graphics card is there or configured, and not used."""
    warnings: tuple[str, ...]
    workers_up: int
    workers: int
    waiting: int
    in_flight: int
    shed: dict[str, int]
    """Requests dropped since the start because too many waited: vision before audio before captions."""


class AdminModels(Shape, frozen=True, kw_only=True):
    """Everything about models and workers, for administrators."""

    health: InferenceHealth
    models: tuple[ModelHealth, ...]


class BatchedAnswer(Shape, frozen=True, kw_only=True):
    """To one question of several; as the answer of its own endpoint would be."""

    task: Function
    code: int
    """As an HTTP status."""
    message: str
    error: str | None = None
    """As of a Problem."""
    data: Any = None
    """What the task's own endpoint answers with."""


class QueuedView(Shape, frozen=True, kw_only=True):
    """Questions that are, or were, in the queue."""

    task_id: str
    state: JobState
    """``dead``: it failed again and again, for a reason that is in the server's log."""
    tasks: tuple[str, ...]
    progress: float | None
    """0 to 1; null: not begun."""
    meeting_id: str | None
    answers: tuple[BatchedAnswer, ...]
    """Empty until it is ``done``; then in the order of ``tasks``."""
    created_at: str
    finished_at: str | None


class BatchAnswer(Shape, frozen=True, kw_only=True):
    """In the order of the questions."""

    answers: tuple[BatchedAnswer, ...]


def model_view(model: ModelHealth) -> ModelView:
    """What everybody may know."""
    return ModelView(
        name=model.name,
        task=model.task,
        version=model.version,
        summary=model.summary,
        licence=model.licence,
        languages=model.languages,
        duty=model.duty,
        installed=model.installed,
        loaded=model.loaded,
    )


def task_view(task: str, entries: tuple[CatalogEntry, ...], installed: set[str], *, enabled: bool) -> TaskView:
    """A task with those of its models that are here."""
    here = tuple(entry.name for entry in entries if entry.name in installed)
    reason = None
    if not enabled:
        reason = "the AI functions are switched off"
    elif not here:
        reason = f"model not installed; an administrator runs: {' or '.join(entry.hint() for entry in entries)}"
    return TaskView(task=task, available=enabled and bool(here), models=here, reason=reason)


def health_view(health: InferenceHealth, *, gpu_unused: bool) -> AiHealth:
    """What everybody may know: no addresses, no process numbers."""
    up = [worker for worker in health.workers if worker.state == "up"]
    return AiHealth(
        state=health.state,
        devices=tuple(dict.fromkeys(worker.device for worker in up)),
        gpu_unused=gpu_unused,
        warnings=health.warnings,
        workers_up=len(up),
        workers=len(health.workers),
        waiting=health.queue.waiting,
        in_flight=health.queue.in_flight,
        shed=health.queue.shed,
    )
