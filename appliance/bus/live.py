"""The live bus: whoever listens now hears what was committed, on this node or, over Redis, on any.

Owns the listeners and their bounded queues; refuses to remember anything. A listener that is too slow loses the oldest
events, and they are counted: it must not hold up the others nor fill the memory.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator
from contextlib import contextmanager

import trio

from appliance.events.envelope import Envelope

# A meeting of a hundred that ends at once is two hundred events.
_MAX_WAITING = 1024


class Listener:
    """One who listens; iterate over it. Made by `LiveBus.listen`."""

    def __init__(self, types: frozenset[str]) -> None:
        self._types = types
        self._waiting: deque[Envelope] = deque()
        self._woken = trio.Event()
        self.missed = 0
        """Events that were dropped because they were not taken in time."""

    def offer(self, envelope: Envelope) -> None:
        """Queue it if it is of a wanted type."""
        if envelope.event.event_type not in self._types:
            return
        if len(self._waiting) >= _MAX_WAITING:
            self._waiting.popleft()
            self.missed += 1
        self._waiting.append(envelope)
        self._woken.set()

    def __aiter__(self) -> Listener:
        return self

    async def __anext__(self) -> Envelope:
        while not self._waiting:
            self._woken = trio.Event()
            await self._woken.wait()
        return self._waiting.popleft()


class LiveBus:
    """Listeners of this process."""

    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._told = 0

    @contextmanager
    def listen(self, types: Collection[str]) -> Iterator[Listener]:
        """Hear events of these types from now until the end of the context."""
        listener = Listener(frozenset(types))
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def tell(self, envelope: Envelope) -> None:
        """Everybody who listens to its type."""
        self._told += 1
        for listener in self._listeners:
            listener.offer(envelope)

    def statistics(self) -> dict[str, int]:
        """``listeners``, events ``told`` since the start, events ``missed`` by those who listen now."""
        missed = sum(listener.missed for listener in self._listeners)
        return {"listeners": len(self._listeners), "told": self._told, "missed": missed}
