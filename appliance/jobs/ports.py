"""What the runner needs of others: rows, wake-ups, somebody who counts.

Owns the protocols; refuses to know who keeps them (`app` wires the store's functions and the metrics).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from appliance.job_records import Due, JobState, Order, Turn, Turned, Vanished


class QueueUnavailableError(Exception):
    """The rows cannot be reached now; nothing or everything of the call may have happened. Try again."""


class Wakeups(Protocol):
    """Who waits for a commit."""

    async def wait(self) -> None:
        """Until the queue should be looked at; maybe without cause."""


class Queue(Protocol):
    """The rows. Each call is one transaction; QueueUnavailableError when it cannot be."""

    def listen(self) -> AbstractAsyncContextManager[Wakeups]:
        """Be woken when an order or a cancellation was committed."""

    async def begin(self, plans: Mapping[str, tuple[str, int]]) -> Sequence[Vanished]:
        """A worker starts: write schedules down (name to rule and next time), take back what surely nobody runs."""

    async def turn(self, asked: Turn) -> Turned:
        """Tell how attempts ended and claim new jobs."""

    async def tick(self, due: Due, next_at_ms: int, order: Order) -> bool:
        """Move a schedule on and write its order; False when another worker did."""

    async def count(self) -> Mapping[JobState, int]:
        """How many jobs wait, run and are dead, on all servers."""


class Meter(Protocol):
    """Who counts."""

    def picked_up(self, type: str, seconds: float) -> None:
        """A job began, this long after it could."""

    def ended(self, type: str, outcome: str, seconds: float) -> None:
        """An attempt ended: ``done``, ``failed``, ``dead``, ``cancelled``, ``released``, ``vanished``."""
