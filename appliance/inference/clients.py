"""The servers that a worker serves, and the sessions that they have here. Pure: time comes as a number.

Owns the names of sessions: two servers may use the same one. A server that is not heard of for `GONE_S` is gone, and
its sessions with it.
"""

from __future__ import annotations

GONE_S = 30.0
"""Servers ping each second."""


class Client:
    """A server, as the ROUTER socket knows it."""

    def __init__(self, identity: bytes, number: int) -> None:
        self.identity = identity
        self.number = number
        """For logs, and unlike any other's."""
        self.seen_s = 0.0
        self._sessions: set[tuple[str, str]] = set()

    def session(self, model: str, session: str) -> str:
        """The session's name within this worker."""
        self._sessions.add((model, session))
        return f"{self.number}:{session}"

    def forget_session(self, model: str, session: str) -> str:
        """The same, of a session that ends."""
        self._sessions.discard((model, session))
        return f"{self.number}:{session}"

    def sessions(self) -> list[tuple[str, str]]:
        """Model and name within this worker of each that is open."""
        return [(model, f"{self.number}:{session}") for model, session in self._sessions]


class Clients:
    """All of them."""

    def __init__(self) -> None:
        self._by_identity: dict[bytes, Client] = {}
        self._next = 1
        self._looked_s = 0.0

    def seen(self, identity: bytes, now_s: float) -> Client:
        """The one that said something."""
        client = self._by_identity.get(identity)
        if client is None:
            client = self._by_identity[identity] = Client(identity, self._next)
            self._next += 1
        client.seen_s = now_s
        return client

    def gone(self, now_s: float) -> list[Client]:
        """Those that have been silent for too long, once; looked for each second."""
        if now_s - self._looked_s < 1.0:
            return []
        self._looked_s = now_s
        silent = [client for client in self._by_identity.values() if now_s - client.seen_s > GONE_S]
        for client in silent:
            del self._by_identity[client.identity]
        return silent
