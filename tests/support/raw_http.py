"""Bytes on a TCP connection to a test server: what no well-behaved client sends."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from tests.support.api_server import ApiServer


@contextmanager
def connection(server: ApiServer, within_s: float = 10.0) -> Iterator[socket.socket]:
    """A connection that fails after a time without an answer."""
    with socket.create_connection((server.host, server.port), timeout=within_s) as sock:
        yield sock


def read_answer(sock: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers in lower case and body of one answer; status 0 when the server only closed."""
    data = b""
    while b"\r\n\r\n" not in data:
        try:
            part = sock.recv(65_536)
        except ConnectionResetError:
            part = b""
        if not part:
            return 0, {}, data
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    while len(body) < int(headers.get("content-length", "0")):
        part = sock.recv(65_536)
        if not part:
            break
        body += part
    return int(lines[0].split()[1]), headers, body


def exchange(server: ApiServer, data: bytes, within_s: float = 10.0) -> tuple[int, dict[str, str], bytes]:
    """Send bytes, read one answer."""
    with connection(server, within_s) as sock:
        sock.sendall(data)
        return read_answer(sock)


def is_closed(sock: socket.socket) -> bool:
    """Whether the server closes within the connection's time."""
    try:
        while sock.recv(65_536):
            pass
    except ConnectionResetError:
        return True
    return True
