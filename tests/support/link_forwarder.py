"""The bad network itself: a process that carries IP packets between two TUN devices, each way with a delay, a rate with
a queue before it, and random loss. Started by `impaired_link`; needs nothing but Python's library.

    python link_forwarder.py CLIENT_FD SERVER_FD SEED      orders as JSON lines on stdin, an answer to each on stdout

Orders: {"way": "down" | "up", "delay_ms", "rate_bps", "queue_ms", "loss"} with any of the four; {"client": address,
"seen_as": address}: from then on UDP of a client leaves under another address, as after a NAT forgot it;
{"report": true}. An answer is empty but for the report's, and says that the order is in force.

Everything is in one queue per way, so it is known how long each packet waited. Rejected: nft for loss, tbf for the rate
and this for the delay alone, of which tbf tells only what waits at the moment that one asks.
"""

from __future__ import annotations

import gc
import json
import os
import random
import select
import socket
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

UDP = 17
# Above other work, because lateness here is read as the network's; below what the kernel itself runs.
PRIORITY = 10
LARGEST = 65_535


@dataclass
class Way:
    """One direction. Takes times, asks no clock."""

    dice: random.Random
    delay_ms: float = 0.0
    rate_bps: float | None = None
    """Bits of whole IP packets a second; None: no limit."""
    queue_ms: float = 300.0
    """A packet that would wait longer for the rate is dropped, as by a router with so much memory."""
    loss: float = 0.0
    """Share of UDP packets that vanish, each by its own throw."""
    packets: int = 0
    bytes: int = 0
    lost: int = 0
    overflowed: int = 0
    _waits_ms: list[float] = field(default_factory=list)
    _free_at: float = 0.0
    _under_way: deque[tuple[float, bytes]] = field(default_factory=deque)

    def push(self, now: float, packet: bytes) -> None:
        """A packet comes in."""
        if self.loss and protocol(packet) == UDP and self.dice.random() < self.loss:
            self.lost += 1
            return
        leaves = now
        if self.rate_bps is not None:
            starts = max(now, self._free_at)
            if (starts - now) * 1000 > self.queue_ms:
                self.overflowed += 1
                return
            leaves = self._free_at = starts + len(packet) * 8 / self.rate_bps
        self._waits_ms.append((leaves - now) * 1000)
        arrives = leaves + self.delay_ms / 1000
        if self._under_way:
            arrives = max(arrives, self._under_way[-1][0])  # nobody overtakes, also when the delay falls
        self._under_way.append((arrives, packet))

    def due(self, now: float) -> bytes | None:
        """The next packet whose time has come."""
        if self._under_way and self._under_way[0][0] <= now:
            _, packet = self._under_way.popleft()
            self.packets += 1
            self.bytes += len(packet)
            return packet
        return None

    def next_at(self) -> float | None:
        """When the next one is due."""
        return self._under_way[0][0] if self._under_way else None

    def report(self) -> dict[str, Any]:
        """Counts since the start; waits (for the rate, and for being sent at it) since the last report."""
        waits, self._waits_ms = sorted(self._waits_ms), []
        share = {name: waits[int(len(waits) * at)] if waits else 0.0 for name, at in (("p50", 0.5), ("p95", 0.95))}
        return {
            "packets": self.packets,
            "bytes": self.bytes,
            "lost": self.lost,
            "overflowed": self.overflowed,
            "wait_p50_ms": share["p50"],
            "wait_p95_ms": share["p95"],
            "wait_max_ms": waits[-1] if waits else 0.0,
        }


def protocol(packet: bytes) -> int:
    """Of what is inside: IPv4 protocol, IPv6 next header; -1 of anything else."""
    match packet[0] >> 4:
        case 4:
            return packet[9]
        case 6:
            return packet[6]
        case _:
            return -1


def readdress(packet: bytes, at: int, address: bytes) -> bytes:
    """An IPv4 UDP packet with another address at offset ``at`` (12: source, 16: destination), checksums kept right
    (RFC 1624)."""
    changed = bytearray(packet)
    for offset in (10, (packet[0] & 15) * 4 + 6):
        total = int.from_bytes(packet[offset : offset + 2], "big")
        if total == 0 and offset != 10:
            continue  # sent without one
        total ^= 0xFFFF
        for i in (0, 2):
            old, new = (int.from_bytes(b, "big") for b in (packet[at + i : at + i + 2], address[i : i + 2]))
            total += (old ^ 0xFFFF) + new
        while total >> 16:
            total = (total & 0xFFFF) + (total >> 16)
        changed[offset : offset + 2] = (total ^ 0xFFFF).to_bytes(2, "big")
    changed[at : at + 4] = address
    return bytes(changed)


class Forwarder:
    """Both ways between the devices, and the orders."""

    def __init__(self, client: int, server: int, seed: int) -> None:
        self._ways = {"up": Way(random.Random(seed)), "down": Way(random.Random(seed + 1))}
        self._plan = (
            (client, server, self._ways["up"], self._seen_outside),
            (server, client, self._ways["down"], self._seen_inside),
        )
        self._outside: dict[bytes, bytes] = {}
        self._inside: dict[bytes, bytes] = {}

    def run(self) -> None:
        """Until stdin ends."""
        orders = b""
        for device, *_ in self._plan:
            os.set_blocking(device, False)
        while True:
            wakes = [at for *_, way, _ in self._plan if (at := way.next_at()) is not None]
            timeout = max(0.0, min(wakes) - time.monotonic()) if wakes else None
            ready, _, _ = select.select([0, self._plan[0][0], self._plan[1][0]], [], [], timeout)
            for source, _, way, translate in self._plan:
                if source in ready:
                    self._take(source, way, translate)
            now = time.monotonic()
            for _, target, way, _ in self._plan:
                while (packet := way.due(now)) is not None:
                    os.write(target, packet)
            if 0 in ready:
                read = os.read(0, LARGEST)
                if not read:
                    return
                *lines, orders = (orders + read).split(b"\n")
                for line in lines:
                    print(json.dumps(self._obey(json.loads(line))), flush=True)

    def _take(self, source: int, way: Way, translate: Any) -> None:
        try:
            for _ in range(64):  # then the other way has its turn
                packet = os.read(source, LARGEST)
                if (translated := translate(packet)) is not None:
                    way.push(time.monotonic(), translated)
        except BlockingIOError:
            return

    def _obey(self, order: dict[str, Any]) -> dict[str, Any]:
        if "report" in order:
            return {name: way.report() for name, way in self._ways.items()}
        if "client" in order:
            inside, outside = (socket.inet_aton(order[name]) for name in ("client", "seen_as"))
            self._outside[inside] = outside
            self._inside = {o: i for i, o in self._outside.items()}
        else:
            way = self._ways[order.pop("way")]
            for name, value in order.items():
                setattr(way, name, value)
        return {}

    def _seen_outside(self, packet: bytes) -> bytes:
        if not self._outside or packet[0] >> 4 != 4 or packet[9] != UDP:
            return packet
        outside = self._outside.get(packet[12:16])
        return packet if outside is None else readdress(packet, 12, outside)

    def _seen_inside(self, packet: bytes) -> bytes | None:
        if not self._outside or packet[0] >> 4 != 4 or packet[9] != UDP:
            return packet
        target = packet[16:20]
        if target in self._outside:
            return None  # the address of before: the NAT knows it no more
        inside = self._inside.get(target)
        return packet if inside is None else readdress(packet, 16, inside)


def main() -> None:
    gc.disable()  # nothing here makes cycles, and a pause would be a delay
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))
    except PermissionError:
        os.setpriority(os.PRIO_PROCESS, 0, -20)  # a container may hand out no real time
    client, server, seed = (int(argument) for argument in sys.argv[1:])
    Forwarder(client, server, seed).run()


if __name__ == "__main__":
    main()
