"""The network emulator of these tests delays, drops and narrows as it was told: else the promises mean little."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from tests.support.impaired_link import SERVER, ImpairedLink, impaired_link, server_addresses
from tests.support.netns import network_namespace

SO_RCVBUFFORCE = 33  # <asm-generic/socket.h>
PACKET = 972  # and 28 of headers: 8000 bits on the link


class Ends:
    """A UDP socket at each end of a link."""

    def __init__(self, link: ImpairedLink) -> None:
        self.link = link
        self.server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.server.bind((SERVER, 0))
        with link.namespace.entered():
            self.client = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.client.bind((link.client, 0))
        self.client.settimeout(2)
        # All of a test's packets: this thread may be late to take them, and the kernel must lose none.
        self.client.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 8 << 20)
        self.server.settimeout(2)

    def close(self) -> None:
        self.client.close()
        self.server.close()

    def send_down(self, count: int, *, each_s: float) -> list[float]:
        """Arrival times at the client, in seconds after the first was sent; stops at 1 s of silence."""
        self.client.sendto(b"here", self.server.getsockname())
        _, client = self.server.recvfrom(100)
        self.client.settimeout(0)
        began, sent, arrived = time.monotonic(), 0, []
        while (now := time.monotonic() - began) < count * each_s + 1 and len(arrived) < count:
            while sent < count and sent * each_s <= now:
                self.server.sendto(bytes(PACKET), client)
                sent += 1
            try:
                assert len(self.client.recv(2000)) == PACKET
                arrived.append(time.monotonic() - began)
            except BlockingIOError:
                time.sleep(0.0005)
        return arrived


@pytest.fixture(scope="module")
def link() -> Iterator[ImpairedLink]:
    with network_namespace(), server_addresses(), impaired_link(1, seed=7) as link:
        yield link


@pytest.fixture
def ends(link: ImpairedLink) -> Iterator[Ends]:
    both = Ends(link)
    yield both
    both.close()


def test_delay(ends: Ends) -> None:
    ends.link.both(rtt_ms=80)
    took = [ends.send_down(1, each_s=0)[0] for _ in range(5)]
    assert 0.040 <= min(took) < 0.060, took


def test_loss(ends: Ends) -> None:
    ends.link.both(rtt_ms=0)
    ends.link.down(loss=0.1)
    arrived = ends.send_down(1000, each_s=0.0003)
    ends.link.down(loss=0.0)
    assert 870 <= len(arrived) <= 930
    assert ends.link.report()[0].lost == 1000 - len(arrived)


def test_rate_and_queue(ends: Ends) -> None:
    ends.link.down(rate_bps=1_000_000, queue_ms=100)
    ends.link.report()
    # 2 Mb/s for half a second, into a link of 1 Mb/s with a queue of 100 ms: 0.6 Mb get through.
    arrived = ends.send_down(125, each_s=0.004)
    ends.link.down(rate_bps=None)
    down, _ = ends.link.report()
    assert 72 <= len(arrived) <= 78
    assert 0.95e6 < 8000 * (len(arrived) - 1) / (arrived[-1] - arrived[0]) < 1.05e6
    assert down.overflowed == 125 - len(arrived)
    assert 95 <= down.wait_max_ms <= 110


def test_a_forgotten_mapping(ends: Ends) -> None:
    ends.client.sendto(b"one", ends.server.getsockname())
    _, before = ends.server.recvfrom(100)
    ends.link.is_seen_as(9)
    ends.client.sendto(b"two", ends.server.getsockname())
    data, after = ends.server.recvfrom(100)
    assert (data, before[0], after[0]) == (b"two", "10.77.1.2", "10.77.1.9")
    ends.server.sendto(b"nobody there", before)
    ends.server.sendto(b"three", after)
    assert ends.client.recv(100) == b"three"
