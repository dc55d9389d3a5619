"""One connection's bounds: clients that never read, messages without end, pipelines, answers before the body's end."""

from __future__ import annotations

import socket
import time
from pathlib import Path
from typing import cast

import pytest
import trio
import trio.testing
from hypercorn.config import Config
from hypercorn.events import RawData
from hypercorn.typing import AppWrapper, ConnectionState

from appliance.api.http1 import Connection, StallGuard
from tests.support.api_server import ApiServer
from tests.support.raw_http import connection, read_answer


async def test_a_peer_that_takes_nothing_is_given_up() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    client = await trio.testing.open_stream_to_socket_listener(listeners[0])
    server = await listeners[0].accept()
    guard = StallGuard(server, stall_s=0.1)
    with trio.fail_after(5), pytest.raises(trio.BrokenResourceError, match=r"took nothing for 0\.1 s"):
        while True:
            await guard.send_all(b"x" * 1_000_000)
    with pytest.raises(trio.ClosedResourceError):
        await guard.send_all(b"more")
    for thing in (client, guard, *listeners):
        await thing.aclose()


@pytest.mark.slow  # a second and a half of patience
async def test_a_peer_that_reads_slowly_gets_everything() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    client = await trio.testing.open_stream_to_socket_listener(listeners[0])
    server = await listeners[0].accept()
    guard = StallGuard(server, stall_s=1.0)
    got, started = 0, trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(guard.send_all, b"x" * 16_000_000)
        while got < 16_000_000:
            got += len(await client.receive_some(131_072))
            await trio.sleep(0.01)
    assert trio.current_time() - started > 1.0  # longer than any piece may take
    await guard.send_all(b"")
    for thing in (client, guard, *listeners):
        await thing.aclose()


async def test_pieces_that_go_at_once_and_pieces_that_wait_stay_whole_and_in_order() -> None:
    listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
    client = await trio.testing.open_stream_to_socket_listener(listeners[0])
    stream = await listeners[0].accept()
    stream.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
    guard = StallGuard(stream)
    app = cast(AppWrapper, None)  # nothing is asked of it
    sender = Connection(app, Config(), None, ConnectionState({}), guard, header_s=1.0)
    pieces, got = 400, bytearray()

    async def send(value: int) -> None:
        for number in range(pieces):
            await sender.protocol_send(RawData(bytes((value, number % 250)) * 1999))
            await trio.lowlevel.checkpoint()

    assert guard.send_nowait(b"") == 0
    async with trio.open_nursery() as nursery:
        for value in (1, 2):
            nursery.start_soon(send, value)
        await trio.testing.wait_all_tasks_blocked()  # the kernel takes no more
        assert guard.send_nowait(b"more") == 0
        while len(got) < 2 * pieces * 3998:
            got += await client.receive_some(65_536)
    numbers: dict[int, list[int]] = {1: [], 2: []}
    for start in range(0, len(got), 3998):
        piece = bytes(got[start : start + 3998])
        assert piece == piece[:2] * 1999
        numbers[piece[0]].append(piece[1])
    assert numbers[1] == numbers[2] == [number % 250 for number in range(pieces)]
    await guard.aclose()
    assert guard.send_nowait(b"more") == 0
    for thing in (client, *listeners):
        await thing.aclose()


def test_requests_in_a_pipeline_are_answered_in_order(plain: ApiServer) -> None:
    with connection(plain) as sock:
        one = b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n"
        two = b"GET /api/v1/setup HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        sock.sendall(one + two)
        first, second = read_answer_of_two(sock)
        assert b'"status":"ok"' in first and b'"needed"' in second


def read_answer_of_two(sock: socket.socket) -> tuple[bytes, bytes]:
    data = b""
    while part := sock.recv(65_536):
        data += part
    _, first, second = data.split(b"HTTP/1.1 200")
    return first, second


def test_a_refusal_before_the_end_of_the_body_reaches_the_client(plain: ApiServer) -> None:
    head = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    head += b"Content-Length: 3000000\r\n\r\n"
    with connection(plain) as sock:
        sock.sendall(head)
        time.sleep(0.1)
        sock.sendall(b" " * 3_000_000)
        assert read_answer(sock)[0] == 413


def test_clients_that_leave_in_the_middle_cost_nothing(plain: ApiServer, tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = descriptors()
    whole = b"GET /api/v1/info HTTP/1.1\r\nHost: x\r\n\r\n"
    half = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n{"
    for data in (b"", b"GET /", whole, half):
        for _ in range(10):
            with connection(plain) as sock:
                sock.sendall(data)
    deadline = time.monotonic() + 10
    while descriptors() > before:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert plain.request("GET", "/health").status == 200
