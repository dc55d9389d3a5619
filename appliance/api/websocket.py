"""WebSockets, from their request to whoever speaks on them: the live meetings, or `ai_socket`.

Owns the origin check, the handshake's answer and the `Socket` over ASGI; refuses to know what the frames say. Bounds
on messages and on clients that never read are `http1`'s, at the bytes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import structlog
import trio

from appliance.api.addresses import Origin, request_origin
from appliance.api.limits import sockets_limit
from appliance.api.live_port import SocketClosed
from appliance.api.problems import problem
from appliance.api.services import Services
from appliance.auth.csrf import is_cross_site, origin_of
from appliance.auth.rate_limit import network_of
from appliance.errors import UserError

_log = structlog.get_logger(__name__)

Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

# RFC 6455 §7.4.1
NORMAL = 1000
UNSUPPORTED_DATA = 1003
ABNORMAL = 1006
INTERNAL_ERROR = 1011


class AsgiSocket:
    """`live_port.Socket` over the ASGI calls of one connection."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._closed: SocketClosed | None = None

    async def receive(self) -> str:
        """The next text frame. Raises SocketClosed; a binary frame closes with 1003."""
        frame = await self.receive_any()
        if isinstance(frame, str):
            return frame
        await self.close(UNSUPPORTED_DATA, "text frames only")
        assert self._closed is not None
        raise self._closed

    async def receive_any(self) -> str | bytes:
        """The next frame, text or binary. Raises SocketClosed."""
        if self._closed is not None:
            raise self._closed
        event = await self._receive()
        if event["type"] == "websocket.receive":
            text = event.get("text")
            return text if isinstance(text, str) else bytes(event["bytes"])
        self._closed = self._closed or SocketClosed(int(event.get("code") or ABNORMAL))
        raise self._closed

    async def send(self, frame: str) -> None:
        """Send a text frame; at most the stall time of the connection. Raises SocketClosed."""
        if self._closed is not None:
            raise self._closed
        with trio.CancelScope(shield=True):  # half a frame sent would break the connection (see server.shielded)
            await self._send({"type": "websocket.send", "text": frame})

    async def close(self, code: int, reason: str) -> None:
        """Close with a code of RFC 6455 §7.4.1 and a reason of at most 123 bytes (§5.5.1)."""
        if self._closed is None:
            self._closed = SocketClosed(code, reason)
            cut = reason.encode()[:123].decode(errors="ignore")
            with trio.CancelScope(shield=True):
                await self._send({"type": "websocket.close", "code": code, "reason": cut})


Serve = Callable[[AsgiSocket, Origin, Mapping[str, str]], Awaitable[None]]
"""What is said on a socket whose handshake was fine; gets the request's headers by name in lower case."""


async def serve_signaling(
    services: Services, scope: Mapping[str, Any], receive: Receive, send: Send, request_id: str
) -> int:
    """Serve one WebSocket of a meeting until it ends; the HTTP status of the handshake."""

    async def serve(socket: AsgiSocket, origin: Origin, _headers: Mapping[str, str]) -> None:
        await services.live.serve_socket(socket, origin.address)

    return await serve_socket(services, scope, receive, send, request_id, serve)


async def serve_socket(
    services: Services, scope: Mapping[str, Any], receive: Receive, send: Send, request_id: str, serve: Serve
) -> int:
    """Do the handshake and ``serve`` one WebSocket until it ends; the HTTP status of the handshake."""
    await receive()  # websocket.connect
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    origin = _origin(services, scope, headers)
    try:
        _check(services, headers, origin)
    except UserError as error:
        status, answer_headers, content = problem(error, request_id)
        answer_headers["Content-Length"] = str(len(content))
        pairs = [(name.encode(), value.encode()) for name, value in answer_headers.items()]
        await send({"type": "websocket.http.response.start", "status": status, "headers": pairs})
        await send({"type": "websocket.http.response.body", "body": content, "more_body": False})
        return status
    await send({"type": "websocket.accept"})
    socket = AsgiSocket(receive, send)
    code, reason = NORMAL, ""
    try:
        await serve(socket, origin, headers)
    except SocketClosed:
        pass
    except Exception:
        # The one place where the failure of one socket ends: the others and the server go on.
        _log.exception("socket_failed", path=scope["path"], remote=origin.address)
        code, reason = INTERNAL_ERROR, f"internal error, request {request_id}"
    await socket.close(code, reason)
    return 101


def _origin(services: Services, scope: Mapping[str, Any], headers: Mapping[str, str]) -> Origin:
    client = scope.get("client")
    return request_origin(
        peer=client[0] if client else "",
        scheme={"ws": "http", "wss": "https"}[scope["scheme"]],
        host=headers.get("host", ""),
        forwarded_for=headers.get("x-forwarded-for", ""),
        forwarded_proto=headers.get("x-forwarded-proto", ""),
        forwarded_host=headers.get("x-forwarded-host", ""),
        trusted=services.trusted_proxies,
    )


def _check(services: Services, headers: Mapping[str, str], origin: Origin) -> None:
    own = {origin_of(services.settings.http.public_url), origin_of(origin.base_url)} - {None}
    # RFC 6455 §10.2: browsers do not hold WebSockets to the same origin, so the server must.
    if is_cross_site(headers.get("origin"), headers.get("sec-fetch-site"), {text for text in own if text}):
        raise UserError(403, "origin_not_allowed", "this WebSocket was opened by another site")
    caller = network_of(origin.address)
    limit = sockets_limit(services.settings.limits)
    wait_s = services.limiter.take("websocket", caller, limit, services.now_ms() / 1000)
    if wait_s > 0:
        raise UserError(429, "rate_limited", "too many connections, try again later", retry_after_s=wait_s)
