"""Which handler does which type, where it runs, and what recurs; filled once, before the runner starts.

Owns the bindings; refuses to run anything. A type that is not here is left for another server that knows it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import msgspec

from appliance.job_records import Room
from appliance.jobs.places import JobContext, Place, Processes, ThreadContext, in_task, in_thread
from appliance.jobs.schedule import Rule
from appliance.jobs.types import JobType

P = TypeVar("P", bound=msgspec.Struct)


class Binding(msgspec.Struct, frozen=True):
    """A type and what does it."""

    type: JobType[Any]
    run: Place
    in_process: bool


class Recurring(msgspec.Struct, frozen=True):
    """A job that is ordered by the clock."""

    type: JobType[Any]
    payload: msgspec.Struct
    rule: Rule


class Registry:
    """All types that this server does."""

    def __init__(self, *, processes: int) -> None:
        """``processes``: most worker processes at the same time."""
        self.processes = Processes(processes)
        self._processes_most = processes
        self.bindings: dict[str, Binding] = {}
        self.schedules: dict[str, Recurring] = {}

    def task(self, type: JobType[P], handler: Callable[[JobContext, P], Awaitable[object]]) -> None:
        """``handler`` is an async function."""
        self._bind(Binding(type, in_task(handler), False))

    def thread(self, type: JobType[P], handler: Callable[[ThreadContext, P], object]) -> None:
        """``handler`` blocks: it runs in a thread."""
        self._bind(Binding(type, in_thread(handler), False))

    def process(self, type: JobType[P], handler: Callable[[P], object]) -> None:
        """``handler`` computes: it is a function of a module and runs in a process with low priority."""
        self._bind(Binding(type, self.processes.place(handler), True))

    def recur(self, name: str, type: JobType[P], payload: P, rule: Rule) -> None:
        """Order a job by the clock; ``name`` stays the same over versions of the program."""
        if name in self.schedules:
            raise ValueError(f"schedule {name!r} exists already")
        self.schedules[name] = Recurring(type, payload, rule)

    def rooms(self, running: dict[str, int], limit: int) -> tuple[Room, ...]:
        """Which types may still begin how many, beside what runs now (by type), out of ``limit`` free places."""
        shared: list[str] = []
        rooms: list[Room] = []
        in_processes = sum(running.get(name, 0) for name, binding in self.bindings.items() if binding.in_process)
        processes_free = self._processes_most - in_processes
        computing: list[str] = []
        for name, binding in self.bindings.items():
            most = binding.type.at_once
            if most is not None:
                free = most - running.get(name, 0)
                rooms.append(Room(types=(name,), free=min(free, processes_free) if binding.in_process else free))
            else:
                (computing if binding.in_process else shared).append(name)
        rooms.append(Room(types=tuple(shared), free=limit))
        rooms.append(Room(types=tuple(computing), free=processes_free))
        return tuple(room for room in rooms if room.types and room.free > 0)

    def _bind(self, binding: Binding) -> None:
        if binding.type.name in self.bindings:
            raise ValueError(f"job type {binding.type.name!r} has a handler already")
        self.bindings[binding.type.name] = binding
