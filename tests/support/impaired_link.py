"""A client's own network namespace, and between it and the server's a link that can be made bad while it runs.

Owns the two TUN devices, the addresses and the process between them (`link_forwarder`); refuses to know what is sent.
This kernel has no netem, and a relay on UDP ports alone would not give a client an address of its own.

Link ``n``: the client is 10.77.n.2 and fd77:n::2 behind its default route, the server is `SERVER` and `SERVER_SIX`.
"""

from __future__ import annotations

import fcntl
import ipaddress
import json
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.children import die_with_parent
from tests.support.netns import Namespace, inside_namespace

FORWARDER = Path(__file__).with_name("link_forwarder.py")
SERVER, SERVER_SIX = "10.77.0.1", "fd77::1"

# <linux/if_tun.h>
TUNSETIFF = 0x400454CA
IFF_TUN_WITHOUT_HEADER = 0x1001
# Longer than a report can take on a machine that is busy with browsers.
ANSWERS_WITHIN_S = 20


@dataclass(frozen=True)
class WayReport:
    """What one direction did; see `link_forwarder.Way.report`."""

    packets: int
    bytes: int
    lost: int
    overflowed: int
    wait_p50_ms: float
    wait_p95_ms: float
    wait_max_ms: float


class ImpairedLink:
    """One client's access line: good until told otherwise. Times and rates are of one direction."""

    def __init__(self, number: int, namespace: Namespace, process: subprocess.Popen[bytes]) -> None:
        self.namespace = namespace
        self.client = f"10.77.{number}.2"
        self._number = number
        self._process = process

    def down(self, **way: float | None) -> None:
        """Towards the client, from now on: delay_ms, rate_bps, queue_ms, loss."""
        self._order({"way": "down", **way})

    def up(self, **way: float | None) -> None:
        """Towards the server."""
        self._order({"way": "up", **way})

    def both(self, *, rtt_ms: float) -> None:
        """Half of a round trip each way."""
        self.down(delay_ms=rtt_ms / 2)
        self.up(delay_ms=rtt_ms / 2)

    def is_seen_as(self, last: int) -> None:
        """UDP of the client reaches the server from 10.77.n.``last``: a NAT has forgotten its mapping. Neither end is
        told."""
        self._order({"client": self.client, "seen_as": f"10.77.{self._number}.{last}"})

    @contextmanager
    def moved(self, last: int) -> Iterator[None]:
        """The client has 10.77.n.``last`` instead of its address, as in another network; nobody is told."""
        with self._readdressed(f"10.77.{self._number}.{last}/24"):
            yield

    @contextmanager
    def without_four(self) -> Iterator[None]:
        """The client has IPv6 only."""
        with self._readdressed(None):
            yield

    @contextmanager
    def _readdressed(self, address: str | None) -> Iterator[None]:
        device = f"client{self._number}"
        with self.namespace.entered():
            _ip("addr", "flush", "dev", device, "scope", "global", "to", f"{self.client}/32")
            if address is not None:
                _ip("addr", "add", address, "dev", device)
                _ip("route", "replace", "default", "dev", device)
        try:
            yield
        finally:
            with self.namespace.entered():
                if address is not None:
                    _ip("addr", "del", address, "dev", device)
                _ip("addr", "add", f"{self.client}/24", "dev", device)
                _ip("route", "replace", "default", "dev", device)

    def report(self) -> tuple[WayReport, WayReport]:
        """(down, up). Counts since the start, waits since the last report."""
        told = self._order({"report": True})
        return WayReport(**told["down"]), WayReport(**told["up"])

    def _order(self, order: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer, f"the forwarder of link {self._number} ended"
        told: dict[str, Any] = json.loads(answer)
        return told


@contextmanager
def server_addresses() -> Iterator[None]:
    """Give this namespace, whose links all end here, the server's addresses."""
    _require_namespace()
    _ip("addr", "add", f"{SERVER}/32", "dev", "lo")
    _ip("addr", "add", f"{SERVER_SIX}/128", "dev", "lo")
    yield


@contextmanager
def impaired_link(number: int, *, seed: int = 1) -> Iterator[ImpairedLink]:
    """A client's namespace and its link to this one."""
    _require_namespace()
    client, server = f"client{number}", f"link{number}"
    with ExitStack() as stack:
        namespace = stack.enter_context(Namespace())
        server_fd = stack.enter_context(_device(server))
        with namespace.entered():
            _ip("link", "set", "lo", "up")
            client_fd = stack.enter_context(_device(client))
            _ip("addr", "add", f"10.77.{number}.2/24", "dev", client)
            _ip("route", "add", "default", "dev", client)
            _ip("addr", "add", f"fd77:{number:x}::2/64", "dev", client, "nodad")
            _ip("-6", "route", "add", "default", "dev", client)
        _ip("route", "add", str(ipaddress.ip_network(f"10.77.{number}.0/24")), "dev", server)
        _ip("route", "add", f"fd77:{number:x}::/64", "dev", server)
        process = subprocess.Popen(
            [sys.executable, "-I", str(FORWARDER), str(client_fd), str(server_fd), str(seed)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=(client_fd, server_fd),
            preexec_fn=die_with_parent,
        )
        stack.callback(_end, process)
        link = ImpairedLink(number, namespace, process)
        link.report()  # it runs
        yield link


@contextmanager
def _device(name: str) -> Iterator[int]:
    """A TUN device of the namespace that this thread is in; it goes with its file."""
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_CLOEXEC)
    try:
        fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH22x", name.encode(), IFF_TUN_WITHOUT_HEADER))
        # Longer than any burst that a late forwarder lets wait here: what the link drops, it counts.
        _ip("link", "set", name, "txqueuelen", "10000", "up")
        yield fd
    finally:
        os.close(fd)


def _end(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.close()
    process.stdout.close()
    code = process.wait(ANSWERS_WITHIN_S)
    assert code == 0, f"the link's forwarder ended with {code}"


def _require_namespace() -> None:
    if not inside_namespace():
        raise RuntimeError("links belong into a network namespace")


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=10)
