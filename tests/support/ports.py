"""Free ports of this machine."""

from __future__ import annotations

import contextlib
import socket


def free_port() -> int:
    """A port that was free for TCP and UDP on 127.0.0.1 a moment ago."""
    for _ in range(20):
        with socket.create_server(("127.0.0.1", 0)) as tcp:
            port: int = tcp.getsockname()[1]
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp, contextlib.suppress(OSError):
                udp.bind(("127.0.0.1", port))
                return port
    raise OSError("no port that is free for both TCP and UDP")
