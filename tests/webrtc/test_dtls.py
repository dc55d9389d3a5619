"""DTLS with a real client stack: keys, fingerprints, loss, bounds, goodbyes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiortc.rtcdtlstransport import SRTP_AEAD_AES_128_GCM, SRTP_AEAD_AES_256_GCM, SRTP_AES128_CM_SHA1_80
from OpenSSL import SSL

from appliance.webrtc import dtls
from appliance.webrtc.dtls import DtlsEndpoint, ServerCertificate
from tests.support.dtls_link import DtlsClient, Heard, LinkPlane, fragment, until

CERTIFICATE = ServerCertificate.generate()


class Bench:
    def __init__(self) -> None:
        self.plane = LinkPlane()
        self.heard = Heard()
        self.endpoint = DtlsEndpoint(self.plane, CERTIFICATE, self.heard)
        self.clients: list[DtlsClient] = []

    def client(self, session: int, profiles: list[Any] | None = None) -> DtlsClient:
        client = DtlsClient(self.plane, session, profiles)
        self.clients.append(client)
        return client


@asynccontextmanager
async def bench() -> AsyncIterator[Bench]:
    made = Bench()
    made.endpoint.start()
    tasks = asyncio.all_tasks()
    try:
        yield made
    finally:
        await made.endpoint.stop()
        for client in made.clients:
            await client.close()
        async with asyncio.timeout(2):
            while left := asyncio.all_tasks() - tasks:
                await asyncio.wait(left)
        assert made.endpoint.statistics()["sessions"] == made.endpoint.statistics()["half_open"] == 0
        made.plane.close()


def test_idle_connections_give_their_record_buffers_back() -> None:
    """49 kB of 127 for each; how much OpenSSL holds cannot be asked, that it was told to let go can."""
    context = CERTIFICATE._create_ssl_context(list(dtls.SRTP_PREFERENCE))
    assert context.set_mode(0) & SSL.MODE_RELEASE_BUFFERS


@pytest.mark.parametrize(
    ("profiles", "chosen", "size"),
    [
        (None, "SRTP_AEAD_AES_128_GCM", 28),
        ([SRTP_AES128_CM_SHA1_80, SRTP_AEAD_AES_128_GCM], "SRTP_AEAD_AES_128_GCM", 28),
        ([SRTP_AES128_CM_SHA1_80], "SRTP_AES128_CM_SHA1_80", 30),
    ],
)
def test_both_ends_derive_the_same_keys(profiles: list[Any] | None, chosen: str, size: int) -> None:
    async def run() -> None:
        async with bench() as b:
            client = b.client(1, profiles)
            b.endpoint.open(1, client.fingerprints)
            await client.connect(CERTIFICATE.fingerprint)
            await until(lambda: b.heard.connected == [1])
            profile, tx, rx = b.plane.keys[1]
            assert (profile, len(tx), len(rx)) == (chosen, size, size)
            theirs = next(p for p in client.dtls._srtp_profiles if p.openssl_profile.decode() == chosen)
            assert client.dtls._ssl is not None
            material = client.dtls._ssl.export_keying_material(b"EXTRACTOR-dtls_srtp", 2 * size)
            assert rx == theirs.get_key_and_salt(material, 0)  # what the client writes with
            assert tx == theirs.get_key_and_salt(material, 1)

    asyncio.run(run())


def test_no_common_srtp_profile_fails_without_keys() -> None:
    async def run() -> None:
        async with bench() as b:
            client = b.client(1, [SRTP_AEAD_AES_256_GCM])
            b.endpoint.open(1, client.fingerprints)
            await client.connect(CERTIFICATE.fingerprint)
            await until(lambda: b.heard.closed)
            assert b.heard.closed == [(1, "the DTLS handshake failed")] and not b.plane.keys

    asyncio.run(run())


def test_a_certificate_that_the_sdp_did_not_name_gets_no_keys() -> None:
    async def run() -> None:
        async with bench() as b:
            client, other = b.client(1), b.client(2)
            b.endpoint.open(1, other.fingerprints)
            await client.connect(CERTIFICATE.fingerprint)
            await until(lambda: b.heard.closed)
            assert b.heard.closed[0][1] == "the client's certificate does not match the fingerprint in its SDP"
            assert not b.plane.keys and not b.heard.connected
            assert b.endpoint.statistics()["failed"] == 1

    asyncio.run(run())


def test_every_named_fingerprint_must_match() -> None:
    async def run() -> None:
        async with bench() as b:
            client, other = b.client(1), b.client(2)
            b.endpoint.open(1, [client.fingerprints[0], other.fingerprints[1]])
            await client.connect(CERTIFICATE.fingerprint)
            await until(lambda: b.heard.closed)
            assert not b.plane.keys

    asyncio.run(run())


@pytest.mark.slow
@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_lost_flight_is_sent_again(lost: int) -> None:
    """DTLS's own timer: 1 s for the first retransmission (RFC 6347 §4.2.4.1)."""

    async def run() -> None:
        async with bench() as b:
            b.plane.lose = lambda number, datagram: number == lost
            client = b.client(1)
            b.endpoint.open(1, client.fingerprints)
            async with asyncio.timeout(6):
                await client.connect(CERTIFICATE.fingerprint)
            await until(lambda: b.heard.connected == [1])

    asyncio.run(run())


@pytest.mark.slow
def test_a_handshake_that_stands_still_ends_at_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dtls, "HANDSHAKE_DEADLINE_S", 0.3)

    async def run() -> None:
        async with bench() as b:
            b.plane.lose = lambda number, datagram: number > 1
            client = b.client(1)
            b.endpoint.open(1, client.fingerprints)
            connecting = asyncio.ensure_future(client.connect(CERTIFICATE.fingerprint))
            await until(lambda: b.heard.closed)
            assert "longer than" in b.heard.closed[0][1]
            assert b.endpoint.statistics()["half_open"] == 0
            connecting.cancel()

    asyncio.run(run())


def test_half_open_handshakes_are_capped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dtls, "MAX_HALF_OPEN", 2)

    async def run() -> None:
        async with bench() as b:
            hello: list[bytes] = []
            b.plane.lose = lambda number, datagram: bool(hello.append(datagram)) or True
            client = b.client(1)
            connecting = asyncio.ensure_future(client.connect(CERTIFICATE.fingerprint))
            await until(lambda: hello)
            b.plane.lose = lambda number, datagram: False
            connecting.cancel()
            b.plane.clients.clear()
            for session in range(10, 15):
                b.endpoint.open(session, client.fingerprints)
                b.plane.deliver(session, hello[0])
            await until(lambda: b.endpoint.statistics()["dropped"] == 3)
            assert b.endpoint.statistics()["half_open"] == 2

    asyncio.run(run())


def test_a_session_closed_before_its_first_step_leaves_nothing() -> None:
    async def run() -> None:
        async with bench() as b:
            client = b.client(1)
            b.endpoint.open(1, client.fingerprints)
            b.plane.deliver(1, b"\x16" + bytes(80))
            b.endpoint._readable()
            assert b.endpoint.statistics()["half_open"] == 1
            await b.endpoint.close(1)
            assert b.endpoint.statistics()["half_open"] == 0

    asyncio.run(run())


def test_nothing_is_spent_on_what_is_not_a_handshake() -> None:
    async def run() -> None:
        async with bench() as b:
            client = b.client(1)
            b.endpoint.open(1, client.fingerprints)
            for junk in (bytes([23, 254, 253]) + bytes(60), bytes([21]) * 15, bytes([20])):
                b.plane.deliver(1, junk)
            b.plane.deliver(99, b"\x16nobody")
            await until(lambda: b.endpoint.statistics()["dropped"] == 4)
            b.plane.deliver(1, b"\x16" + bytes(300))  # a handshake record that is none
            await client.connect(CERTIFICATE.fingerprint)
            await until(lambda: b.heard.connected == [1])

    asyncio.run(run())


def test_a_flood_of_one_client_is_bounded_and_does_not_stop_another() -> None:
    async def run() -> None:
        async with bench() as b:
            first, second = b.client(1), b.client(2)
            for client in (first, second):
                b.endpoint.open(client.session, client.fingerprints)
            await first.connect(CERTIFICATE.fingerprint)
            for _ in range(3000):
                b.plane.deliver(1, bytes([23, 254, 253]) + bytes(40))
            await second.connect(CERTIFICATE.fingerprint)
            await until(lambda: sorted(b.heard.connected) == [1, 2])
            assert b.endpoint.statistics()["dropped"] > 2000

    asyncio.run(run())


def test_fragments_of_no_length_and_overlapping_ones_are_bounded_and_stop_nobody() -> None:
    async def run() -> None:
        async with bench() as b:
            hostile, honest = b.client(1), b.client(2)
            for client in (hostile, honest):
                b.endpoint.open(client.session, client.fingerprints)
            number = 0
            for message in range(12):  # OpenSSL keeps what is up to ten messages ahead
                for total in (0, 40, 8000, 90_000, 2**24 - 1):
                    for offset, length in ((0, 0), (39, 0), (0, 30), (10, 30), (0, 40), (7000, 900), (7500, 500)):
                        body = bytes([number % 251]) * length
                        b.plane.deliver(
                            1, fragment(message, total=total, offset=offset, body=body, kind=11, number=number)
                        )
                        number += 1
                await asyncio.sleep(0)
            assert number == 420
            await honest.connect(CERTIFICATE.fingerprint)
            await until(lambda: b.heard.connected == [2])
            # 2 of 5 lengths are longer than any message, and what lies outside its message is no fragment
            assert b.endpoint.statistics()["dropped"] >= 12 * 2 * 7

    asyncio.run(run())


def test_goodbyes_both_ways() -> None:
    async def run() -> None:
        async with bench() as b:
            first, second = b.client(1), b.client(2)
            for client in (first, second):
                b.endpoint.open(client.session, client.fingerprints)
                await client.connect(CERTIFICATE.fingerprint)
            await first.dtls.stop()
            await until(lambda: b.heard.closed == [(1, "the client closed the connection")])
            await b.endpoint.close(2)
            await until(lambda: second.dtls.state == "closed")
            assert len(b.heard.closed) == 1  # nobody is told of what they asked for
            await b.endpoint.close(2)

    asyncio.run(run())


def test_the_certificate_is_new_each_start_and_fits_one_flight() -> None:
    other = ServerCertificate.generate()
    assert other.fingerprint != CERTIFICATE.fingerprint
    assert CERTIFICATE.fingerprint.startswith("sha-256 ") and len(CERTIFICATE.fingerprint) == 8 + 95
    from cryptography.hazmat.primitives.serialization import Encoding

    # aiortc reads at most 1500 bytes of a flight out of OpenSSL at a time; the certificate is its largest part.
    assert len(CERTIFICATE._cert.public_bytes(Encoding.DER)) < 600
