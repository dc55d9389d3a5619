"""The Rust module as Python sees it: sockets, descriptors, values and errors. Media is tested in the crate itself."""

from __future__ import annotations

import errno
import hashlib
import hmac
import json
import os
import secrets
import select
import socket
import struct
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from appliance._dataplane import AnyEvent, DataPlane, Event, Extensions, Payload
from tests.support.waiting import wait_for

UFRAG, PASSWORD = "localufrag", "local-password-of-24-cha"
CLIENT_HELLO = bytes([22, 254, 253]) + bytes(20)


def binding_request(ufrag: str, password: str, *, nominate: bool = True) -> bytes:
    """A connectivity check (RFC 8445 §7.2.2) written from the RFCs alone, not by the code under test."""

    def attribute(kind: int, value: bytes) -> bytes:
        return struct.pack("!HH", kind, len(value)) + value + bytes(-len(value) % 4)

    def header(length: int) -> bytes:
        return struct.pack("!HHI", 0x0001, length, 0x2112A442) + transaction

    transaction = secrets.token_bytes(12)
    body = attribute(0x0006, f"{ufrag}:remote".encode()) + attribute(0x0024, struct.pack("!I", 1862270975))
    body += attribute(0x802A, bytes(8)) + (attribute(0x0025, b"") if nominate else b"")
    signed = header(len(body) + 24) + body
    body += attribute(0x0008, hmac.digest(password.encode(), signed, hashlib.sha1))
    crc = zlib.crc32(header(len(body) + 8) + body) ^ 0x5354554E
    body += attribute(0x8028, struct.pack("!I", crc))
    return header(len(body)) + body


@pytest.fixture
def plane() -> Iterator[DataPlane]:
    plane = DataPlane(hosts=["127.0.0.1"], port=0, workers=1, tcp=True)
    plane.add_room(1, worker=0)
    plane.add_session(2, room=1, ufrag=UFRAG, password=PASSWORD)
    yield plane
    plane.close()


@pytest.fixture
def client() -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.bind(("127.0.0.1", 0))
        client.settimeout(2)
        yield client


def wait_readable(fd: int, within_s: float = 2.0) -> bool:
    return bool(select.select([fd], [], [], within_s)[0])


def wait_events(plane: DataPlane, count: int) -> list[AnyEvent]:
    events: list[AnyEvent] = []
    while len(events) < count and wait_readable(plane.event_fd()):
        events += plane.poll_events()
    return events


def wait_stats(plane: DataPlane, condition: Callable[[Any], bool]) -> Any:
    """The workers refresh the numbers each second."""
    until = time.monotonic() + 3
    while time.monotonic() < until:
        numbers = json.loads(plane.stats())
        if condition(numbers):
            return numbers
        time.sleep(0.02)
    raise AssertionError(numbers)


def connect(plane: DataPlane, client: socket.socket) -> None:
    client.sendto(binding_request(UFRAG, PASSWORD), ("127.0.0.1", plane.ports[0]))
    assert client.recv(2048)[:2] == b"\x01\x01"
    assert len(wait_events(plane, 1)) == 1


def test_a_check_is_answered_and_told(plane: DataPlane, client: socket.socket) -> None:
    request = binding_request(UFRAG, PASSWORD)
    client.sendto(request, ("127.0.0.1", plane.ports[0]))
    reply, source = client.recvfrom(2048)
    assert source == ("127.0.0.1", plane.ports[0])
    kind, length, cookie = struct.unpack("!HHI", reply[:8])
    assert (kind, length, cookie, reply[8:20]) == (0x0101, len(reply) - 20, 0x2112A442, request[8:20])
    # XOR-MAPPED-ADDRESS (RFC 8489 §14.2) is the first attribute: our own address back
    attribute, size, family, port, address = struct.unpack("!HHHHI", reply[20:32])
    mapped = (socket.inet_ntoa(struct.pack("!I", address ^ cookie)), port ^ (cookie >> 16))
    assert (attribute, size, family, mapped) == (0x0020, 8, 1, client.getsockname())
    match wait_events(plane, 1):
        case [Event.SessionConnected(session=2, address=address, transport="udp")]:
            assert address == "{}:{}".format(*client.getsockname())
        case other:
            raise AssertionError(other)
    assert not wait_readable(plane.event_fd(), 0)
    assert plane.poll_events() == []


def test_a_wrong_password_or_an_unknown_ufrag_gets_silence(plane: DataPlane, client: socket.socket) -> None:
    client.settimeout(0.1)
    for request in (
        binding_request(UFRAG, "x" * 24),
        binding_request("unknown", PASSWORD),
        b"",
        b"\x00",
        b"\xff" * 1400,
    ):
        client.sendto(request, ("127.0.0.1", plane.ports[0]))
    with pytest.raises(TimeoutError):
        client.recv(2048)
    assert not wait_readable(plane.event_fd(), 0)


def test_dtls_crosses_both_ways_on_a_validated_path_only(plane: DataPlane, client: socket.socket) -> None:
    client.sendto(CLIENT_HELLO, ("127.0.0.1", plane.ports[0]))
    assert not wait_readable(plane.dtls_fd(), 0.05)
    connect(plane, client)
    client.sendto(CLIENT_HELLO, ("127.0.0.1", plane.ports[0]))
    assert wait_readable(plane.dtls_fd())
    assert plane.poll_dtls() == [(2, CLIENT_HELLO)]
    assert not wait_readable(plane.dtls_fd(), 0)
    plane.send_dtls(2, b"\x16answer")
    assert client.recv(2048) == b"\x16answer"


def test_tcp_carries_the_same_in_frames(plane: DataPlane) -> None:
    with socket.create_connection(("127.0.0.1", plane.ports[0]), 2) as tcp:
        request = binding_request(UFRAG, PASSWORD)
        tcp.sendall(struct.pack("!H", len(request)) + request)
        assert tcp.recv(4)[2:] == b"\x01\x01"
        match wait_events(plane, 1):
            case [Event.SessionConnected(session=2, transport="tcp")]:
                pass
            case other:
                raise AssertionError(other)
    match wait_events(plane, 1):
        case [Event.SessionLost(session=2)]:
            pass
        case other:
            raise AssertionError(other)


def test_a_worker_has_its_own_port_and_its_numbers() -> None:
    plane = DataPlane(hosts=["127.0.0.1", "::1"], port=0, workers=3, tcp=False)
    try:
        assert len(set(plane.ports)) == 3
        numbers = json.loads(plane.stats())
        assert [w["port"] for w in numbers["workers"]] == plane.ports
        assert numbers["sessions"] == numbers["producers"] == numbers["consumers"] == []
    finally:
        plane.close()


@pytest.mark.slow
def test_what_was_added_is_in_the_numbers(plane: DataPlane, client: socket.socket) -> None:
    vp8 = Payload(96, format="vp8", clock_rate=90_000, rtx_payload_type=97)
    plane.set_formats(2, payloads=[vp8], extensions=Extensions(mid=4, rid=10, transport_cc=3))
    plane.set_keys(2, profile="SRTP_AEAD_AES_128_GCM", tx=bytes(28), rx=bytes(28))
    plane.set_keys(2, profile="SRTP_AES128_CM_SHA1_80", tx=bytes(30), rx=bytes(30))
    plane.add_producer(3, session=2, kind="video", mid="0", rids=["q", "h", "f"])
    plane.add_producer(4, session=2, kind="audio", mid="1", ssrcs=[(1234, None)], speaker=True)
    plane.add_consumer(5, session=2, kind="video", mid="2", ssrc=77, rtx_ssrc=78, cname="c")
    plane.bind_consumer(5, 3)
    plane.set_consumer_layer(5, layer=1)
    plane.pause_consumer(5, paused=False)
    plane.mute_producer(4, muted=True)
    plane.request_key_frame(3)
    plane.remove_consumer(99)
    connect(plane, client)
    numbers = wait_stats(plane, lambda n: n["sessions"] != [] and n["sessions"][0]["connected"])
    assert numbers["workers"][0]["unknown_ids"] == 1
    assert numbers["sessions"][0]["address"] == "{}:{}".format(*client.getsockname())
    assert [layer["rid"] for layer in numbers["producers"][0]["layers"]] == ["q", "h", "f"]
    assert numbers["producers"][1]["layers"][0]["ssrc"] == 1234
    assert numbers["consumers"][0] | {"bytes": 0} == {
        "consumer": 5,
        "producer": 3,
        "layer": None,
        "packets": 0,
        "bytes": 0,
        "bitrate_bps": 0,
        "rtx": 0,
        "paused_by_estimate": False,
    }
    plane.remove_room(1)
    numbers = wait_stats(plane, lambda n: n["workers"][0]["rooms"] == 0)
    assert numbers["sessions"] == numbers["producers"] == numbers["consumers"] == []


def test_a_tap_ends_with_its_producer_and_with_its_reader(plane: DataPlane) -> None:
    plane.add_producer(3, session=2, kind="video", mid="0")
    plane.mute_producer(3, muted=True)
    taps = [plane.open_tap(10 + n, 3, 1 << 20) for n in range(2)]
    record = wait_for(taps[0].take)
    assert len(record) == 40 and record[:4] == b"PRJ1" and record[12] == 4
    assert zlib.crc32(record[8:]) == int.from_bytes(record[4:8], "little")
    at_us = int.from_bytes(record[20:28], "little")
    assert 0 <= plane.now_us() - at_us < 2_000_000 and abs(plane.now_us() / 1e6 - time.time()) < 1
    assert (taps[0].take(), taps[0].lost, taps[0].ended) == (b"", 0, False)
    assert [tap["tap"] for tap in wait_stats(plane, lambda n: n["taps"])["taps"]] == [10, 11]
    taps[1].close()
    wait_for(lambda: taps[1].ended)
    assert not taps[0].ended
    plane.remove_producer(3)
    wait_for(lambda: taps[0].ended)
    assert wait_stats(plane, lambda n: not n["producers"])["taps"] == []
    assert plane.open_tap(12, 99, 1 << 20).ended


def test_taps_of_a_plane_that_is_closed_end(plane: DataPlane) -> None:
    plane.add_producer(3, session=2, kind="audio", mid="0")
    tap = plane.open_tap(10, 3, 1 << 20)
    plane.close()
    assert tap.ended and plane.open_tap(11, 3, 1 << 20).ended


@pytest.mark.parametrize("kind", [socket.SOCK_DGRAM, socket.SOCK_STREAM])
def test_a_taken_port_names_the_address(kind: int) -> None:
    with socket.socket(socket.AF_INET, kind) as taken:
        taken.bind(("127.0.0.1", 0))
        if kind == socket.SOCK_STREAM:
            taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"127.0.0.1:{port}") as caught:
            DataPlane(hosts=["127.0.0.1"], port=port, workers=1, tcp=True)
        assert caught.value.errno == errno.EADDRINUSE


def test_close_gives_port_threads_and_descriptors_back() -> None:
    def threads() -> int:
        found = 0
        for path in Path("/proc/self/task").glob("*/comm"):
            with suppress(OSError):  # other threads of this process come and go
                found += path.read_text().startswith("media-")
        return found

    # A thread names itself, and the kernel lists it for a moment after it was joined.
    wait_for(lambda: threads() == 0)
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    plane = DataPlane(hosts=["127.0.0.1"], port=0, workers=2, tcp=True)
    ports = plane.ports
    wait_for(lambda: threads() == 2)
    plane.close()
    plane.close()
    plane.add_session(9, room=9, ufrag=UFRAG, password=PASSWORD)
    assert plane.poll_events() == []
    again = DataPlane(hosts=["127.0.0.1"], port=ports[0], workers=1, tcp=True)
    assert again.ports == ports[:1]
    again.close()
    del plane, again
    wait_for(lambda: threads() == 0)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208


def test_malformed_arguments_are_value_errors(plane: DataPlane) -> None:
    calls: list[tuple[str, Callable[[], object]]] = [
        ('not an IP address: "localhost"', lambda: DataPlane(hosts=["localhost"], port=0, workers=1, tcp=False)),
        ("hosts names 0", lambda: DataPlane(hosts=[], port=0, workers=1, tcp=False)),
        ("0 workers", lambda: DataPlane(hosts=["::1"], port=0, workers=0, tcp=False)),
        ("2 workers do not fit from port 65535", lambda: DataPlane(hosts=["::1"], port=65535, workers=2, tcp=False)),
        ("there is no worker 1", lambda: plane.add_room(8, worker=1)),
        ("ufrag has 1 ", lambda: plane.add_session(8, room=1, ufrag="u", password=PASSWORD)),
        ("password has 5 ", lambda: plane.restart_ice(2, ufrag=UFRAG, password="short")),
        ("unknown SRTP profile", lambda: plane.set_keys(2, profile="SRTP_NULL", tx=b"", rx=b"")),
        (
            "rx has 30 bytes, not 28",
            lambda: plane.set_keys(2, profile="SRTP_AEAD_AES_128_GCM", tx=bytes(28), rx=bytes(30)),
        ),
        ("payload type 128", lambda: Payload(128, format="vp8", clock_rate=90_000)),
        ("clock_rate is 0", lambda: Payload(96, format="vp8", clock_rate=0)),
        ("mid: extension id 15", lambda: Extensions(mid=15)),
        ("kind is neither", lambda: plane.add_producer(3, session=2, kind="text", mid="0")),  # type: ignore[arg-type]
        ("4 simulcast layers", lambda: plane.add_producer(3, session=2, kind="video", mid="0", rids=list("abcd"))),
        (
            "mid has 0 bytes",
            lambda: plane.add_consumer(3, session=2, kind="audio", mid="", ssrc=1, rtx_ssrc=None, cname="c"),
        ),
        ("max_bytes is 9, not", lambda: plane.open_tap(3, 4, 9)),
    ]
    for message, call in calls:
        with pytest.raises(ValueError, match=message):
            call()
