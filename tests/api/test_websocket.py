"""The signaling socket's handshake, frames, sizes and ends; what is said on it is `live`'s."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import trio
import trio_websocket
from trio_websocket import ConnectionClosed

from tests.support.api_server import ApiServer
from tests.support.raw_http import connection, exchange, read_answer


@asynccontextmanager
async def opened(
    api: ApiServer, path: str = "/api/v1/ws/signaling", **headers: str
) -> AsyncIterator[trio_websocket.WebSocketConnection]:
    sent = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    async with trio_websocket.open_websocket_url(
        f"ws://{api.host}:{api.port}{path}", extra_headers=sent, disconnect_timeout=2
    ) as socket:
        try:
            yield socket
        finally:
            # trio-websocket 0.12 leaves its stream open when the other side closed first.
            await trio.aclose_forcefully(socket._stream)


async def closed_with(socket: trio_websocket.WebSocketConnection) -> tuple[int, str]:
    with pytest.raises(ConnectionClosed):
        while True:
            await socket.get_message()
    assert socket.closed is not None
    return int(socket.closed.code), socket.closed.reason or ""


@pytest.mark.parametrize("path", ["/api/v1/ws/signaling", "/ws/signaling"])
async def test_frames_go_both_ways(plain: ApiServer, path: str) -> None:
    async with opened(plain, path) as socket:
        for frame in ("", "{}", "é安😀", "x" * 200_000):
            await socket.send_message(frame)
            assert await socket.get_message() == frame
        await socket.send_message("who")
        assert await socket.get_message() == "127.0.0.1 who"


async def test_only_our_own_pages_may_open_one(plain: ApiServer) -> None:
    for line in (b"Origin: https://evil.example", b"Origin: null", b"Sec-Fetch-Site: cross-site"):
        status, _, body = exchange(plain, HANDSHAKE.replace(b"\r\n\r\n", b"\r\n" + line + b"\r\n\r\n"))
        assert status == 403 and b"origin_not_allowed" in body
    async with opened(plain, Origin=plain.url, Sec_Fetch_Site="same-origin") as socket:
        await socket.send_message("hello")
        assert await socket.get_message() == "hello"


def test_another_path_is_not_found(plain: ApiServer) -> None:
    assert exchange(plain, HANDSHAKE.replace(b"signaling", b"other"))[0] == 404


async def test_a_message_beyond_the_limit_closes_with_1009(plain: ApiServer) -> None:
    most = plain.services.settings.signaling.max_frame_bytes
    async with opened(plain) as socket:
        await socket.send_message("x" * most)
        assert len(await socket.get_message()) == most
        await socket.send_message("é" * (most // 2 + 1))
        assert await closed_with(socket) == (1009, "")


async def test_binary_closes_with_1003_and_a_bug_with_1011(plain: ApiServer) -> None:
    async with opened(plain) as socket:
        await socket.send_message(b"\x00")
        assert (await closed_with(socket))[0] == 1003
    async with opened(plain) as socket:
        await socket.send_message("fail")
        code, reason = await closed_with(socket)
        assert code == 1011 and reason.startswith("internal error, request req_")
    async with opened(plain) as socket:
        await socket.send_message("close 4001 " + "é" * 200)
        code, reason = await closed_with(socket)
        assert code == 4001 and reason == "é" * 61


async def test_the_server_sees_every_end(plain: ApiServer) -> None:
    async with opened(plain) as polite:
        await polite.send_message("x")
        await polite.get_message()
    stream = await trio.open_tcp_stream(plain.host, plain.port)
    await stream.send_all(HANDSHAKE)
    assert b"101" in bytes(await stream.receive_some())
    await trio.aclose_forcefully(stream)
    with trio.fail_after(5):
        while plain.ledger.sockets:  # noqa: ASYNC110  # it is in another thread
            await trio.sleep(0.01)


HANDSHAKE = (
    b"GET /api/v1/ws/signaling HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n"
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
    b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
)


def masked(opcode: int, length: int, fin: bool = True, rsv1: bool = False) -> bytes:
    first = opcode | (0x80 if fin else 0) | (0x40 if rsv1 else 0)
    assert length < 126 or length > 65_535  # RFC 6455 §5.2: the shortest form only
    size = bytes([0x80 | length]) if length < 126 else b"\xff" + length.to_bytes(8, "big")
    return bytes([first]) + size + b"\0\0\0\0"


def test_compression_is_not_offered_and_not_taken(plain: ApiServer) -> None:
    with connection(plain) as sock:
        sock.sendall(HANDSHAKE)
        status, headers, _ = read_answer(sock)
        assert status == 101 and "sec-websocket-extensions" not in headers
        sock.sendall(masked(1, 5, rsv1=True) + b"hello")
        assert sock.recv(4)[2:4] == (1002).to_bytes(2, "big")


def test_a_client_that_goes_on_after_1009_is_cut_off(plain: ApiServer) -> None:
    most = plain.services.settings.signaling.max_frame_bytes
    with connection(plain) as sock:
        sock.sendall(HANDSHAKE)
        assert read_answer(sock)[0] == 101
        started = time.monotonic()
        try:
            for _ in range(400):
                sock.sendall(masked(0 if _ else 1, most // 4, fin=False) + b"x" * (most // 4))
        except (BrokenPipeError, ConnectionResetError):
            pass
        else:
            pytest.fail("the server took 37 MB of one message")
        assert time.monotonic() - started < 10
    deadline = time.monotonic() + 5
    while plain.ledger.sockets:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_text_that_is_not_utf8_closes_with_1007(plain: ApiServer) -> None:
    with connection(plain) as sock:
        sock.sendall(HANDSHAKE)
        assert read_answer(sock)[0] == 101
        sock.sendall(masked(1, 2) + b"\xff\xff")
        assert sock.recv(4)[2:4] == (1007).to_bytes(2, "big")
