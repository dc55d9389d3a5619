"""Wake-ups by channel: who waits for a commit that concerns it.

Owns the listeners of one open database, on trio's side; refuses to know how the news of a commit comes (the engines
bring it) and what it was about: a wake-up carries nothing. It says "look again", so a thousand of them are one, and a
listener that is busy meanwhile finds at most one waiting: nothing here grows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import trio

# PostgreSQL cuts names at 63 bytes (NAMEDATALEN); these need no quoting on any engine.
_CHANNEL = re.compile(r"[a-z][a-z0-9_]{0,62}")


def check_channel(channel: str) -> None:
    """ValueError for a name that one of the two engines would not take as it is."""
    if not _CHANNEL.fullmatch(channel):
        raise ValueError(f"channel {channel!r}: must match {_CHANNEL.pattern}")


class Listener:
    """One who waits. Made by `Database.listen`."""

    def __init__(self) -> None:
        self._event = trio.Event()

    async def wait(self) -> None:
        """Until something was committed since the listener was made, or since the last time.

        May return without cause: look before you act.
        """
        await self._event.wait()
        self._event = trio.Event()

    def wake(self) -> None:
        """Have `wait` return once."""
        self._event.set()


class Switchboard:
    """All listeners of one database."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Listener]] = {}

    @contextmanager
    def listener(self, channel: str) -> Iterator[Listener]:
        """A listener for the length of the block."""
        check_channel(channel)
        listener = Listener()
        self._listeners.setdefault(channel, set()).add(listener)
        try:
            yield listener
        finally:
            there = self._listeners[channel]
            there.discard(listener)
            if not there:
                del self._listeners[channel]

    def wake(self, channel: str) -> None:
        """Something was committed that concerns a channel."""
        for listener in self._listeners.get(channel, ()):
            listener.wake()

    def wake_all(self) -> None:
        """Something may have been missed: everybody looks."""
        for channel in self._listeners:
            self.wake(channel)
