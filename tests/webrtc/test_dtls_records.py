"""Records after the handshake against OpenSSL as the other end: data both ways, replay, forgery, loss, goodbyes."""

from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from aiortc.rtcdtlstransport import RTCCertificate
from OpenSSL import SSL

from appliance.webrtc.dtls import SRTP_PREFERENCE, ServerCertificate
from appliance.webrtc.dtls_records import Records, take_over

SERVER, CLIENT = ServerCertificate.generate(), RTCCertificate.generateCertificate()
GCM, CHACHA, CBC = b"ECDHE-ECDSA-AES128-GCM-SHA256", b"ECDHE-ECDSA-CHACHA20-POLY1305", b"ECDHE-ECDSA-AES128-SHA"


def read(connection: SSL.Connection | Records) -> bytes:
    """What it wants to send, b"" for nothing."""
    try:
        return connection.bio_read(1500)
    except SSL.WantReadError:
        return b""


def hear(connection: SSL.Connection | Records, datagram: bytes) -> bytes | None:
    """What a datagram says to it; None: goodbye, b"" for nothing."""
    connection.bio_write(datagram)
    try:
        return connection.recv(1500)
    except SSL.ZeroReturnError:
        return None
    except SSL.Error:
        return b""


@dataclass
class Pair:
    server: SSL.Connection
    client: SSL.Connection
    last_flight: bytes
    """Ends the handshake; the client has heard it."""

    @property
    def records(self) -> Records:
        records = take_over(self.server, self.last_flight)
        assert records is not None
        return records


def is_over(connection: SSL.Connection) -> bool:
    try:
        connection.do_handshake()
    except SSL.WantReadError:
        return False
    return True


def shaken(cipher: bytes = GCM, *, hears_the_end: bool = True) -> Pair:
    context = CLIENT._create_ssl_context(list(SRTP_PREFERENCE))
    context.set_cipher_list(cipher)
    server, client = SSL.Connection(SERVER._create_ssl_context(SRTP_PREFERENCE)), SSL.Connection(context)
    server.set_accept_state()
    client.set_connect_state()
    while not is_over(client):
        while datagram := read(client):
            hear(server, datagram)
        over = is_over(server)
        while datagram := read(server):
            if over and not hears_the_end:
                return Pair(server, client, datagram)
            last = datagram
            client.bio_write(datagram)
    return Pair(server, client, last)


@pytest.mark.parametrize("cipher", [GCM, CHACHA])
def test_data_goes_both_ways(cipher: bytes) -> None:
    pair = shaken(cipher)
    ours = pair.records
    for number in range(3):
        pair.client.send(b"up %d" % number)
        assert hear(ours, read(pair.client)) == b"up %d" % number
        ours.send(b"down %d" % number)
        assert hear(pair.client, read(ours)) == b"down %d" % number
    assert read(ours) == b""
    assert ours.DTLSv1_get_timeout() is None


def test_other_ciphers_stay_with_openssl() -> None:
    pair = shaken(CBC)
    assert take_over(pair.server, pair.last_flight) is None


@pytest.mark.parametrize("cipher", [GCM, CHACHA])
def test_what_came_before_or_was_altered_says_nothing(cipher: bytes) -> None:
    pair = shaken(cipher)
    ours = pair.records
    datagrams = []
    for number in range(100):
        pair.client.send(b"%d" % number)
        datagrams.append(read(pair.client))
    for place in range(len(datagrams[5])):
        altered = bytearray(datagrams[5])
        altered[place] ^= 0x10
        assert hear(ours, bytes(altered)) == b"", place
        assert hear(ours, datagrams[5][:place]) == b""
    order = [5, 4, 90, 27, 26, 91, 28]
    assert [hear(ours, datagrams[n]) for n in order] == [
        b"5",
        b"4",
        b"90",
        b"27",
        b"",
        b"91",
        b"28",
    ]  # 26: 64 before 90
    assert all(hear(ours, datagrams[n]) == b"" for n in order)
    assert hear(ours, datagrams[99]) == b"99"


def test_both_goodbyes_are_heard() -> None:
    pair = shaken()
    pair.client.shutdown()
    assert hear(pair.records, read(pair.client)) is None
    pair = shaken()
    ours = pair.records
    ours.shutdown()
    assert hear(pair.client, read(ours)) is None


@pytest.mark.slow  # OpenSSL repeats a flight after a second
def test_a_client_that_has_not_heard_the_end_hears_it_again() -> None:
    pair = shaken(hears_the_end=False)
    ours = pair.records
    assert hear(ours, read(pair.client)) == b""
    time.sleep((pair.client.DTLSv1_get_timeout() or 0) + 0.01)
    assert pair.client.DTLSv1_handle_timeout()
    while datagram := read(pair.client):
        assert hear(ours, datagram) == b""
    assert hear(pair.client, read(ours)) == b""
    assert is_over(pair.client)
    ours.send(b"now")
    assert hear(pair.client, read(ours)) == b"now"


def test_many_records_in_one_datagram_are_bounded() -> None:
    pair = shaken()
    ours = pair.records
    for _ in range(3):
        many = b""
        for _ in range(30):
            pair.client.send(b"x")
            many += read(pair.client)
        ours.bio_write(many)
    heard = 0
    with pytest.raises(SSL.WantReadError):
        while ours.recv(1500):
            heard += 1
    assert heard == 16
