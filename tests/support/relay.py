"""A TCP relay on loopback that can go silent, as a network does that lost its way. Knows bytes, nothing above them."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

CHUNK = 65_536


class Relay:
    """Forwards every connection to one port of 127.0.0.1. While silent it neither reads, writes nor accepts."""

    def __init__(self, target_port: int) -> None:
        self._target = ("127.0.0.1", target_port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._peers: dict[socket.socket, socket.socket] = {}
        self._silent = threading.Event()
        self._closing = False
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
        self._thread.start()

    def go_silent(self) -> None:
        """Nothing passes any more; nobody is told."""
        self._silent.set()

    def come_back(self, *, reset: bool) -> None:
        """Pass data again. ``reset``: connections from before are gone, as after a change of network."""
        if reset:
            for one in list(self._peers):
                with suppress(OSError):
                    one.shutdown(socket.SHUT_RDWR)
        self._silent.clear()

    def _run(self) -> None:
        while not self._closing:
            for key, _ in self._selector.select(timeout=0.05):
                if self._silent.is_set() or self._closing:
                    break
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    self._pass_on(key.fileobj)  # type: ignore[arg-type]
            if self._silent.is_set():
                threading.Event().wait(0.05)

    def _accept(self) -> None:
        client, _ = self._listener.accept()
        try:
            server = socket.create_connection(self._target, timeout=5)
        except OSError:
            client.close()
            return
        for one, other in ((client, server), (server, client)):
            one.settimeout(5)
            self._peers[one] = other
            self._selector.register(one, selectors.EVENT_READ)

    def _pass_on(self, source: socket.socket) -> None:
        target = self._peers.get(source)
        if target is None:
            return
        try:
            data = source.recv(CHUNK)
            if data:
                target.sendall(data)
                return
        except OSError:
            pass  # either side is gone: the pair is closed below
        for one in (source, target):
            self._selector.unregister(one)
            del self._peers[one]
            one.close()

    def close(self) -> None:
        self._closing = True
        self._silent.clear()
        self._thread.join(timeout=10)
        for one in [*self._peers, self._listener]:
            one.close()
        self._selector.close()


@contextmanager
def relay_to(port: int) -> Iterator[Relay]:
    """A relay to a port of this machine, closed at the end."""
    relay = Relay(port)
    try:
        yield relay
    finally:
        relay.close()
