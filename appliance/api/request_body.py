"""The body of a request: taken from the client no faster than the handler reads it.

Owns how much of a body waits in memory, and pieces with a deadline for handlers that take large ones. Refuses to know
what is in it.

quart reads a body as fast as it comes, up to its largest size, whether or not anybody has read the beginning. With
bodies of gigabytes that is all the memory there is. Here the next piece is taken when there is room; until then
hypercorn's queue fills, nothing is read from the socket, and TCP makes the client wait.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import trio
from quart_trio.asgi import TrioASGIHTTPConnection
from quart_trio.wrappers import TrioRequest
from quart_trio.wrappers.request import TrioBody

from appliance.errors import UserError

# Waiting for a handler that writes to a disk, besides hypercorn's queue of ten pieces of 64 KiB.
ROOM_BYTES = 1024 * 1024

# A client that sends nothing for so long has gone, or holds a place on purpose; a slow link sends something.
SILENCE_S = 30.0


class BoundedBody(TrioBody):
    """quart's, with a bound on what waits."""

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        super().__init__(expected_content_length, max_content_length)
        self._taken = trio.Event()
        self._unwanted = False

    async def __anext__(self) -> bytes:
        piece = await super().__anext__()
        self._taken.set()
        self._taken = trio.Event()
        return piece

    def append(self, data: bytes) -> None:
        if not self._unwanted:
            super().append(data)

    async def wait_room(self) -> None:
        """Until the next piece may be taken from the client."""
        while len(self._data) >= ROOM_BYTES and not self._unwanted:
            await self._taken.wait()

    def drop(self) -> None:
        """Nobody reads any more: what still comes is thrown away, so that the connection can be read to its end."""
        self._unwanted = True
        self._data.clear()
        self._taken.set()


class BoundedRequest(TrioRequest):
    """quart's, with such a body."""

    body_class = BoundedBody


class BoundedConnection(TrioASGIHTTPConnection):
    """quart's way of serving one request, with such a body."""

    async def handle_messages(  # type: ignore[override]  # as quart-trio's own
        self, nursery: trio.Nursery, request: Any, receive: Any
    ) -> None:
        body: BoundedBody = request.body
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                break
            if message["type"] == "http.request":
                await body.wait_room()
                body.append(message.get("body", b""))
                if not message.get("more_body", False):
                    body.set_complete()
        nursery.cancel_scope.cancel()

    async def handle_request(  # type: ignore[override]
        self, nursery: trio.Nursery, request: Any, send: Any
    ) -> None:
        response = await self.app.handle_request(request)
        request.body.drop()
        await self._send_response(send, response)  # without a deadline: http1.StallGuard has one for each piece
        nursery.cancel_scope.cancel()


class Incoming:
    """A body that the handler reads piece by piece; each must come in time."""

    def __init__(self, request: TrioRequest) -> None:
        self._request = request
        self.media_type: str = request.mimetype
        """Without parameters; what the client says, which decides nothing but how the body is cut."""
        self.boundary: str = request.mimetype_params.get("boundary", "")
        self.declared: int | None = request.content_length
        """Bytes, if the client says so; fewer may come, never more."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        """UserError 408 ``request_timeout`` for a client that falls silent."""
        with trio.move_on_after(SILENCE_S):
            return await self._request.body.__anext__()
        raise UserError(408, "request_timeout", f"nothing came for {SILENCE_S:.0f} s")
