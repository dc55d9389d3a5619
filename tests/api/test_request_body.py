"""A body waits for its reader and its sender gets a deadline; how much memory that takes is test_media_uploads'."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest
import trio

from appliance.api import application, request_body
from appliance.api.call import Call
from appliance.api.request_body import BoundedBody, Incoming
from appliance.api.routes import ROUTES, _route
from appliance.api.shapes import Nothing
from appliance.errors import UserError
from tests.support.api_server import ApiServer, serving, settings_for
from tests.support.raw_http import connection, exchange, read_answer

SIZE = 30_000_000
taken = 0
go_on = trio.Event()


async def take_a_piece_and_wait(call: Call, incoming: Incoming) -> Nothing:
    """Of the test: reads some, then waits for the test."""
    global taken
    taken = len(await incoming.__anext__())
    await go_on.wait()
    async for piece in incoming:
        taken += len(piece)
    return Nothing()


async def refuse(call: Call, incoming: Incoming) -> Nothing:
    """Of the test: reads nothing."""
    raise UserError(409, "no", "no")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    rows = (
        _route("POST /test-slow", take_a_piece_and_wait, "public", "none", Nothing, stream=("*/*",)),
        _route("POST /test-refuse", refuse, "public", "none", Nothing, stream=("*/*",)),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(application, "ROUTES", (*ROUTES, *rows))
        patch.setattr(request_body, "SILENCE_S", 0.5)
        with serving(settings_for(tmp_path_factory.mktemp("body"))) as server:
            yield server


def head(path: str, size: int) -> bytes:
    return f"POST /api/v1/{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {size}\r\n\r\n".encode()


@pytest.mark.slow
def test_a_client_is_read_no_faster_than_the_handler(served: ApiServer) -> None:
    with connection(served) as sock:
        sock.sendall(head("test-slow", SIZE))
        sock.settimeout(1)
        sent = 0
        with pytest.raises(TimeoutError):
            while True:
                sent += sock.send(bytes(65_536))
        # What waits for the handler, hypercorn's queue and the kernel's buffers.
        assert sent < 12_000_000
        sock.settimeout(10)
        assert served.token is not None
        served.token.run_sync_soon(go_on.set)
        sock.sendall(bytes(SIZE - sent))
        assert read_answer(sock)[0] == 200
    assert taken == SIZE


@pytest.mark.slow
def test_a_client_that_falls_silent_is_refused(served: ApiServer) -> None:
    started = time.monotonic()
    status, _, body = exchange(served, head("auth/login", 1000))
    assert (status, b"request_timeout" in body) == (408, True)
    assert time.monotonic() - started < 5


@pytest.mark.slow
def test_a_body_that_nobody_wants_is_read_to_its_end_or_not_at_all(served: ApiServer) -> None:
    """And the next connection is served as ever."""
    for size in (0, 100, 3_000_000, SIZE):
        with connection(served) as sock:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                sock.sendall(head("test-refuse", size) + bytes(size))
            status, _, body = read_answer(sock)
            assert (status, b"no" in body) == (409, True) or size == SIZE
        assert served.request("GET", "/health").status == 200


async def test_dropping_wakes_who_waits_for_room() -> None:
    body = BoundedBody(None, None)
    body.append(bytes(request_body.ROOM_BYTES))
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(body.wait_room)
            await trio.sleep(0.01)
            body.drop()
    body.append(b"more")
    body.set_complete()
    assert [piece async for piece in body] == []


async def test_a_reader_makes_room() -> None:
    body = BoundedBody(None, None)
    body.append(bytes(request_body.ROOM_BYTES))
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(body.wait_room)
            await trio.sleep(0.01)
            assert len(await body.__anext__()) == request_body.ROOM_BYTES
