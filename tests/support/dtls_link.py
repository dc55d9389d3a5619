"""A client's DTLS and SCTP (aiortc's) wired to our endpoint without a network.

`LinkPlane` stands where the data plane stands, with the same four methods; what it carries can be lost or altered on
purpose. Used in the asyncio loop of the test.
"""

from __future__ import annotations

import asyncio
import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from aiortc.rtcdtlstransport import RTCCertificate, RTCDtlsFingerprint, RTCDtlsParameters, RTCDtlsTransport
from aiortc.rtcsctptransport import RTCSctpTransport


class LinkPlane:
    """Carries datagrams between the endpoint under test and `DtlsClient`s."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_NONBLOCK)
        self._arrived: deque[tuple[int, bytes]] = deque()
        self.clients: dict[int, DtlsClient] = {}
        self.keys: dict[int, tuple[str, bytes, bytes]] = {}
        self.sent = 0
        self.lose: Callable[[int, bytes], bool] = lambda number, datagram: False
        """Asked for every datagram, with its number in either direction."""
        self._count = 0

    def close(self) -> None:
        os.close(self._fd)

    def dtls_fd(self) -> int:
        return self._fd

    def poll_dtls(self) -> list[tuple[int, bytes]]:
        os.eventfd_read(self._fd)
        out = list(self._arrived)
        self._arrived.clear()
        return out

    def _lost(self, datagram: bytes) -> bool:
        self._count += 1
        return self.lose(self._count, datagram)

    def deliver(self, session: int, datagram: bytes) -> None:
        """From a client to the endpoint."""
        if not self._lost(datagram):
            self._arrived.append((session, datagram))
            os.eventfd_write(self._fd, 1)

    def send_dtls(self, session: int, datagram: bytes) -> None:
        self.sent += 1
        if session in self.clients and not self._lost(datagram):
            self.clients[session].inbox.put_nowait(datagram)

    def set_keys(self, session: int, *, profile: str, tx: bytes, rx: bytes) -> None:
        self.keys[session] = (profile, tx, rx)


class DtlsClient:
    """The browser's side of one session."""

    role = "controlling"

    def __init__(self, plane: LinkPlane, session: int, profiles: Sequence[Any] | None = None) -> None:
        self.plane = plane
        self.session = session
        self.inbox: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.certificate = RTCCertificate.generateCertificate()
        self.dtls = RTCDtlsTransport(self, [self.certificate])  # type: ignore[arg-type]
        self.dtls._set_role("client")
        if profiles is not None:
            self.dtls._srtp_profiles = list(profiles)
        self.sctp = RTCSctpTransport(self.dtls)
        plane.clients[session] = self

    @property
    def fingerprints(self) -> list[tuple[str, str]]:
        return [(f.algorithm, f.value) for f in self.certificate.getFingerprints()]

    async def connect(self, server_fingerprint: str) -> None:
        algorithm, _, value = server_fingerprint.partition(" ")
        await self.dtls.start(RTCDtlsParameters([RTCDtlsFingerprint(algorithm, value)], role="server"))

    async def close(self) -> None:
        await self.sctp.stop()
        await self.dtls.stop()
        self.inbox.put_nowait(None)

    async def _recv(self) -> bytes:
        datagram = await self.inbox.get()
        if datagram is None:
            raise ConnectionError
        return datagram

    async def _send(self, datagram: bytes) -> None:
        self.plane.deliver(self.session, datagram)


def record(body: bytes, *, kind: int = 22, epoch: int = 0, number: int = 0) -> bytes:
    """A DTLS 1.2 record (RFC 6347 §4.1)."""
    return bytes([kind, 254, 253]) + epoch.to_bytes(2) + number.to_bytes(6) + len(body).to_bytes(2) + body


def fragment(message: int, *, total: int, offset: int = 0, body: bytes = b"", kind: int = 1, number: int = 0) -> bytes:
    """A record with a piece of a handshake message, a ClientHello if nothing else is said (RFC 6347 §4.2.2)."""
    head = bytes([kind]) + total.to_bytes(3) + message.to_bytes(2) + offset.to_bytes(3) + len(body).to_bytes(3)
    return record(head + body, number=number)


class Heard:
    """A DtlsListener that remembers and can be waited for."""

    def __init__(self) -> None:
        self.connected: list[int] = []
        self.closed: list[tuple[int, str]] = []
        self.messages: list[tuple[int, str, str | bytes]] = []

    def dtls_connected(self, session: int) -> None:
        self.connected.append(session)

    def dtls_closed(self, session: int, reason: str) -> None:
        self.closed.append((session, reason))

    def data_message(self, session: int, label: str, message: str | bytes) -> None:
        self.messages.append((session, label, message))


async def until(condition: Callable[[], object], within_s: float = 5.0) -> None:
    """Give the loop turns until a condition holds; TimeoutError when it does not in time."""
    async with asyncio.timeout(within_s):
        while not condition():  # noqa: ASYNC110 - what is waited for is another stack, without events
            await asyncio.sleep(0.002)
