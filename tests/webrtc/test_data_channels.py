"""The two channels with a real SCTP client, and clients that break the rules."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiortc.rtcdatachannel import RTCDataChannel, RTCDataChannelParameters
from aiortc.rtcsctptransport import DataChunk, ForwardTsnChunk, SackChunk, serialize_packet

from appliance.webrtc.data_channels import CHANNELS
from appliance.webrtc.dtls import DtlsEndpoint, ServerCertificate
from appliance.webrtc.offer import Sctp
from tests.support.dtls_link import DtlsClient, Heard, LinkPlane, until

CERTIFICATE = ServerCertificate.generate()


class Call:
    """A connected session with open channels."""

    def __init__(self, plane: LinkPlane, heard: Heard, endpoint: DtlsEndpoint, client: DtlsClient) -> None:
        self.plane, self.heard, self.endpoint, self.client = plane, heard, endpoint, client
        self.channels = {p.label: RTCDataChannel(client.sctp, p) for p in CHANNELS}
        self.got: dict[str, list[str | bytes]] = {label: [] for label in self.channels}
        for label, channel in self.channels.items():
            channel.on("message", self.got[label].append)

    @property
    def server(self):  # type: ignore[no-untyped-def]
        channels = self.endpoint._sessions[1].channels
        assert channels is not None
        return channels

    async def raw(self, *chunks: bytes) -> None:
        """One SCTP packet with these chunks, correctly addressed."""

        class Raw:
            def __bytes__(self) -> bytes:
                return b"".join(chunks)

        sctp = self.client.sctp
        assert sctp._remote_port is not None
        tag = sctp._remote_verification_tag
        await self.client.dtls._send_data(serialize_packet(sctp._local_port, sctp._remote_port, tag, Raw()))  # type: ignore[arg-type]


@asynccontextmanager
async def call(*, late: bool = False, limit: int = 65_536) -> AsyncIterator[Call]:
    plane, heard = LinkPlane(), Heard()
    endpoint = DtlsEndpoint(plane, CERTIFICATE, heard)
    endpoint.start()
    client = DtlsClient(plane, 1)
    endpoint.open(1, client.fingerprints)
    if not late:
        endpoint.open_channels(1, Sctp(5000, limit))
    await client.connect(CERTIFICATE.fingerprint)
    await until(lambda: heard.connected)
    if late:
        endpoint.open_channels(1, Sctp(5000, limit))
    made = Call(plane, heard, endpoint, client)
    await client.sctp.start(client.sctp.getCapabilities(), 5000)
    await until(lambda: all(c.readyState == "open" for c in made.channels.values()))
    await until(lambda: made.server._sctp.state == "connected")
    try:
        yield made
    finally:
        await endpoint.stop()
        await client.close()
        plane.close()


@pytest.mark.parametrize("late", [False, True])
def test_messages_both_ways_on_both_channels(late: bool) -> None:
    async def run() -> None:
        async with call(late=late) as c:
            c.channels["reactions"].send("clap")
            c.channels["captions"].send(b"\x01\x02")
            await until(lambda: len(c.heard.messages) == 2)
            assert sorted(c.heard.messages, key=str) == [(1, "captions", b"\x01\x02"), (1, "reactions", "clap")]
            c.endpoint.send(1, "reactions", "heart")
            for number in range(20):
                c.endpoint.send(1, "captions", f"word {number}")
            await until(lambda: len(c.got["captions"]) == 20 and c.got["reactions"])
            assert c.got["reactions"] == ["heart"]
            assert c.got["captions"] == [f"word {n}" for n in range(20)]

    asyncio.run(run())


def test_sending_to_nobody_is_nothing() -> None:
    async def run() -> None:
        async with call() as c:
            c.endpoint.send(99, "captions", "x")
            assert not c.server.send("captions", "x" * 20_000)
            assert c.server.dropped_out == 1
            with pytest.raises(KeyError):
                c.endpoint.send(1, "nonsense", "x")

    asyncio.run(run())


def test_a_message_of_16_kb_passes_and_a_larger_one_ends_the_channels() -> None:
    async def run() -> None:
        async with call() as c:
            c.channels["captions"].send("x" * 16_384)
            await until(lambda: c.heard.messages)
            assert len(c.heard.messages[0][2]) == 16_384
            c.channels["captions"].send("y" * 16_385)
            await until(lambda: c.server._sctp.failure is not None)
            await until(lambda: c.client.sctp.state == "closed")
            assert len(c.heard.messages) == 1
            assert c.client.dtls.state == "connected"  # the call goes on without channels

    asyncio.run(run())


def test_messages_beyond_a_persons_pace_are_dropped() -> None:
    async def run() -> None:
        async with call() as c:
            for number in range(200):
                c.channels["captions"].send(str(number))
            await until(lambda: c.server.received + c.server.dropped_in == 200)
            assert 80 <= c.server.received < 150 and len(c.heard.messages) == c.server.received

    asyncio.run(run())


def test_a_channel_of_the_clients_own_is_ignored() -> None:
    async def run() -> None:
        async with call() as c:
            own = RTCDataChannel(c.client.sctp, RTCDataChannelParameters(label="mine"))
            c.channels["captions"].send("still here")
            await until(lambda: c.heard.messages)
            assert own.readyState == "connecting"
            assert sorted(c.server._sctp._data_channels) == [1, 2]

    asyncio.run(run())


def data(tsn: int, *, flags: int = 3, stream: int = 1, payload: bytes = b"x") -> bytes:
    chunk = DataChunk(flags=flags)
    chunk.tsn, chunk.stream_id, chunk.stream_seq, chunk.protocol, chunk.user_data = tsn, stream, 0, 51, payload
    return bytes(chunk)


def sack(first: int, last: int) -> bytes:
    chunk = SackChunk()
    chunk.gaps = [(first, last)] * 100
    return bytes(chunk)


def forward_tsn(stream: int) -> bytes:
    chunk = ForwardTsnChunk()
    chunk.streams = [(stream, 0)]
    return bytes(chunk)


@pytest.mark.parametrize(
    "packet",
    [
        [b"\x04\x00\x00\x08\x00\x01\x00\x00"],  # HEARTBEAT with a parameter of length 0: an endless loop in aiortc
        [b"\x82\x00\x00\x08\x00\x0d\x00\x00"],
        [b"\x01\x00\x00\x18" + bytes(16) + b"\x80\x08\x00\x00"],
        [b"\x01\x00\x00\x14" + bytes(16), b"\x0b\x00\x00\x04"],
        [sack(1, 65_535)],
        [forward_tsn(40_000)],
        [data(0, stream=60_000)],
        [b"\x00\x03\xff\xff" + bytes(12)],
        [b"\x0a\x00\x00\x02"],
    ],
)
def test_a_packet_out_of_bounds_ends_the_channels_and_nothing_else(packet: list[bytes]) -> None:
    async def run() -> None:
        async with call() as c:
            server = c.server
            await c.raw(*packet)
            await until(lambda: server._sctp.failure is not None)
            assert c.client.dtls.state == "connected" and not c.heard.closed

    asyncio.run(run())


def test_fragments_without_an_end_are_bounded() -> None:
    async def run() -> None:
        async with call() as c:
            server = c.server
            tsn = c.client.sctp._local_tsn
            for number in range(200):
                await c.raw(data((tsn + number) % 2**32, flags=2 if number == 0 else 0))
                await asyncio.sleep(0)
            await until(lambda: server._sctp.failure is not None)
            assert "wait for the rest" in str(server._sctp.failure)

    asyncio.run(run())


def test_chunks_far_ahead_are_not_kept() -> None:
    async def run() -> None:
        async with call() as c:
            server = c.server
            tsn = c.client.sctp._local_tsn
            for number in range(1000, 1100):
                await c.raw(data((tsn + number) % 2**32))
            c.channels["captions"].send("after")
            await until(lambda: c.heard.messages)
            assert not server._sctp._sack_misordered and server._sctp.failure is None

    asyncio.run(run())
