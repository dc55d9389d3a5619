"""What people are told of workers and models, put together from what the links know. Reads the models folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from appliance.inference.health import InferenceHealth, ModelHealth, QueueHealth, State, WorkerHealth
from appliance.inference.installed import ModelFolder
from appliance.inference.latencies import Latencies
from appliance.inference.link import Link
from appliance.inference.messages import ModelState


def health_of(enabled: bool, has_work: bool, links: Sequence[Link], numbers: Mapping[str, Any]) -> InferenceHealth:
    """``has_work``: a model is installed, or workers elsewhere are configured. ``numbers``: the scheduler's."""
    in_flight = numbers["running_by_worker"]
    workers = tuple(_worker(link, in_flight.get(link.key, 0)) for link in links)
    warnings = _warnings(links)
    return InferenceHealth(
        state=_state(enabled, has_work, links, warnings),
        warnings=warnings,
        gpu_warnings=tuple(warning for link in links for warning in _gpu_warnings(link)),
        workers=workers,
        queue=QueueHealth(
            waiting=numbers["waiting"],
            waiting_bytes=numbers["waiting_bytes"],
            in_flight=numbers["running"],
            sessions=numbers["sessions"],
            submitted=numbers["submitted"],
            answered=numbers["answered"],
            expired=numbers["expired"],
            repeated=numbers["repeated"],
            lost=numbers["lost"],
            shed=numbers["shed"],
        ),
    )


def _state(enabled: bool, has_work: bool, links: Sequence[Link], warnings: Sequence[str]) -> State:
    if not enabled:
        return "off"
    if not has_work:
        return "no_models"
    if any(link.state == "up" for link in links):
        return "degraded" if warnings else "ready"
    return "down" if any(link.restarts for link in links) else "starting"


def _warnings(links: Sequence[Link]) -> tuple[str, ...]:
    found = []
    for link in links:
        if link.hello is not None and link.state == "up":
            found += _gpu_warnings(link)
            found += [f"{link.key}: {model.name}: {model.problem}" for model in link.models if model.problem]
        elif link.state != "up" and link.restarts:
            found.append(f"{link.key}: {link.reason}")
    return tuple(found)


def _gpu_warnings(link: Link) -> list[str]:
    if link.hello is None or link.state != "up":
        return []
    device = link.hello.device
    idle = [
        f"{link.key}: {model.name} was meant to run on {device.used} and runs on the CPU"
        for model in link.models
        if device.used != "cpu" and model.providers == ("CPUExecutionProvider",)
    ]
    return [*(f"{link.key}: {warning}" for warning in device.warnings), *idle]


def _worker(link: Link, in_flight: int) -> WorkerHealth:
    hello, pong = link.hello, link.pong
    return WorkerHealth(
        name=link.key,
        kind=link.kind,
        state=link.state,
        reason=link.reason,
        restarts=link.restarts,
        host="" if hello is None else hello.host,
        pid=None if hello is None else hello.pid,
        device="" if hello is None else hello.device.used,
        device_wanted="" if hello is None else hello.device.wanted,
        providers=() if hello is None else hello.device.available,
        runtime="" if hello is None else hello.device.runtime,
        threads=0 if hello is None else hello.device.threads,
        rss_bytes=None if pong is None else pong.rss_bytes,
        gpu_bytes=None if pong is None else pong.gpu_bytes,
        cpu_s=None if pong is None else pong.cpu_s,
        in_flight=in_flight,
        models_loaded=tuple(model.name for model in link.models if model.loaded),
    )


def models_of(
    models: ModelFolder, links: Sequence[Link], waiting: Mapping[str, int], latencies: Latencies
) -> tuple[ModelHealth, ...]:
    """Every entry of the catalog with what the workers say of it. ``waiting``: in the server, by model."""
    pins = models.pins()
    found = []
    for entry in models.catalog:
        states = [state for link in links for state in link.models if state.name == entry.name]
        installed = models.is_installed(entry) or bool(states)
        found.append(
            ModelHealth(
                name=entry.name,
                task=entry.task,
                version=entry.version,
                summary=entry.summary,
                licence=entry.licence,
                size_bytes=entry.size_bytes,
                languages=entry.languages,
                duty=entry.duty,
                default=entry.default,
                installed=installed,
                loaded=any(state.loaded for state in states),
                pinned=entry.name in pins,
                providers=_providers(states),
                problem=next((state.problem for state in states if state.problem), ""),
                hint="" if installed else entry.hint(),
                waiting=waiting.get(entry.name, 0),
                queued=sum(state.queued for state in states),
                answered=sum(state.answered for state in states),
                failed=sum(state.failed for state in states),
                run_ms=max((state.run_ms for state in states), default=0.0),
                batches=sum(state.batches for state in states),
                max_batch=entry.max_batch,
                latency=latencies.of(entry.name),
                load_ms=max((state.load_ms for state in states), default=0.0),
            )
        )
    return tuple(found)


def _providers(states: Sequence[ModelState]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(provider for state in states for provider in state.providers))
