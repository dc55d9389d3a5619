"""What has changed on this node, by name: for pages that look again at exactly that.

Owns the watchers and what each has not looked at yet; a name is kept once, however often the thing changed, so a slow
watcher sees less often and never too much. Refuses to know what a name stands for and who may see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import trio

# A page shows fifty recordings; one that lost sight of more than this looks at everything sooner or later.
_MAX_WAITING = 1000


class Watcher:
    """One who watches. Made by `Changes.watch`."""

    def __init__(self, owner: str) -> None:
        self.owner = owner
        self.closed = False
        """The server stops: nothing more comes."""
        self.missed = 0
        """Names that were dropped because they were not taken in time."""
        self._waiting: dict[str, None] = {}
        self._woken = trio.Event()

    def offer(self, name: str) -> None:
        """Remember it."""
        if name not in self._waiting and len(self._waiting) >= _MAX_WAITING:
            self._waiting.pop(next(iter(self._waiting)))
            self.missed += 1
        self._waiting[name] = None
        self._woken.set()

    def close(self) -> None:
        """End the wait."""
        self.closed = True
        self._woken.set()

    async def wait(self) -> list[str]:
        """What changed since the last call, oldest first; waits for the first. Empty once it is closed."""
        while not self._waiting and not self.closed:
            self._woken = trio.Event()
            await self._woken.wait()
        names = list(self._waiting)
        self._waiting.clear()
        return names


class Changes:
    """Watchers of this process."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()
        self._told = 0
        self._closed = False

    @contextmanager
    def watch(self, owner: str) -> Iterator[Watcher]:
        """Hear of every change from now until the end of the context. ``owner``: the account."""
        watcher = Watcher(owner)
        if self._closed:
            watcher.close()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def tell(self, name: str) -> None:
        """Something changed."""
        self._told += 1
        for watcher in self._watchers:
            watcher.offer(name)

    def watching(self, owner: str | None = None) -> int:
        """How many watch; of one account where ``owner`` names it."""
        return sum(owner is None or watcher.owner == owner for watcher in self._watchers)

    def close(self) -> None:
        """The server stops: everybody's wait ends, now and later."""
        self._closed = True
        for watcher in self._watchers:
            watcher.close()

    def statistics(self) -> dict[str, int]:
        """``watchers``, changes ``told`` since the start, names ``missed`` by those who watch now."""
        return {
            "watchers": len(self._watchers),
            "told": self._told,
            "missed": sum(watcher.missed for watcher in self._watchers),
        }
