"""The web application: routes into quart, everything around them into ASGI.

Owns request ids, the access line, security headers, the last place where an exception ends, and the choice between
API, WebSocket and web page. Refuses to know sockets (`server`) and what endpoints do (`dispatch`).
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import structlog
import trio
from quart import Response, request
from quart_trio import QuartTrio
from quart_trio.wrappers import TrioRequest
from werkzeug.datastructures import Headers
from werkzeug.exceptions import HTTPException

from appliance.api.addresses import Origin
from appliance.api.ai_media import json_bytes
from appliance.api.ai_socket import serve_stream
from appliance.api.dispatch import Answer, dispatch
from appliance.api.problems import as_user_error, internal_error, problem
from appliance.api.request_body import BoundedConnection, BoundedRequest
from appliance.api.routes import AI_PATHS, ROUTES, SIGNALING_PATHS, Route
from appliance.api.services import Services
from appliance.api.static_files import StaticFiles
from appliance.api.websocket import AsgiSocket, serve_signaling, serve_socket
from appliance.errors import UserError
from appliance.ids import new_id
from appliance.settings import has_certificate

_log = structlog.get_logger(__name__)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]
AsgiApp = Callable[[Scope, Receive, Send], Awaitable[None]]

# Room for the frame of a multipart form around its one file.
_FORM_FRAME_BYTES = 65_536

# nginx's number for a client that left before the answer; only in logs and metrics.
_CLIENT_LEFT = 499

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with it browsers send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(self), display-capture=(self), geolocation=(), payment=()",
}

# Svelte sets style attributes, which need their own permission; scripts and style sheets are files of ours.
CONTENT_SECURITY_POLICY = (
    "default-src 'self'; style-src 'self'; style-src-attr 'unsafe-inline'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; worker-src 'self' blob:; connect-src 'self'{sockets}; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)


def make_application(services: Services, web: StaticFiles) -> AsgiApp:
    """The ASGI application of one server."""
    quart = _make_quart(services, web)
    hsts = has_certificate(services.settings.tls) or services.settings.http.public_url.startswith("https://")

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await quart(scope, receive, send)  # type: ignore[arg-type]
            return
        request_id = new_id("req")
        scope["parley.request_id"] = request_id
        with structlog.contextvars.bound_contextvars(request=request_id):
            if scope["type"] == "websocket":
                await _websocket(services, scope, receive, send, request_id)
            else:
                await _http(services, quart, scope, receive, send, request_id, hsts)

    return application


async def _http(
    services: Services, quart: QuartTrio, scope: Scope, receive: Receive, send: Send, request_id: str, hsts: bool
) -> None:
    started = time.perf_counter()
    status, sent_bytes = _CLIENT_LEFT, 0

    async def decorated(event: Any) -> None:
        nonlocal status, sent_bytes
        if event["type"] == "http.response.start":
            status = event["status"]
            event["headers"] = [*event["headers"], *_more_headers(event["headers"], scope, request_id, hsts)]
        elif event["type"] == "http.response.body":
            sent_bytes += len(event.get("body", b""))
        # Cancelled in the middle of a send, hypercorn would leave its stream half done and leak the connection.
        # The time is bounded by http1.StallGuard.
        with trio.CancelScope(shield=True):
            await send(event)

    try:
        await quart(scope, receive, decorated)  # type: ignore[arg-type]
    except BaseExceptionGroup as group:
        gone, broken = group.split(trio.Cancelled)
        if broken is not None:
            # An answer's head is sent and its body cannot be: returning without its end closes the connection, which is
            # how the client learns of it (RFC 9112 §8).
            _log.error("answer_broken_off", exc_info=broken)
        if gone is not None:
            raise gone from None
    finally:
        _account(services, scope, status, sent_bytes, time.perf_counter() - started)


async def _websocket(services: Services, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
    started = time.perf_counter()
    scope["method"], status = "GET", _CLIENT_LEFT
    try:
        if scope["path"] in SIGNALING_PATHS:
            scope["parley.route"] = SIGNALING_PATHS[0]
            status = await serve_signaling(services, scope, receive, send, request_id)
        elif scope["path"] in AI_PATHS:
            scope["parley.route"] = AI_PATHS[0]

            async def stream(socket: AsgiSocket, origin: Origin, headers: Mapping[str, str]) -> None:
                await serve_stream(services, socket, origin, headers, request_id)

            status = await serve_socket(services, scope, receive, send, request_id, stream)
        else:
            status = 404
            await receive()
            headers = [(b"content-length", b"0")]
            await send({"type": "websocket.http.response.start", "status": 404, "headers": headers})
            await send({"type": "websocket.http.response.body", "body": b"", "more_body": False})
    finally:
        _account(services, scope, status, 0, time.perf_counter() - started)


def _account(services: Services, scope: Scope, status: int, sent_bytes: int, seconds: float) -> None:
    route = scope.get("parley.route", "none")
    if status != 101:  # a socket lives for hours: its time is no answering time
        services.metrics.request(scope["method"], route, status, seconds)
    client = scope.get("client")
    # Health checks and scrapes come every few seconds and say nothing new.
    quiet = status == 200 and route in ("/health", "/ready", "/metrics", "/api/v1/health")
    (_log.debug if quiet else _log.info)(
        "http_answered",
        method=scope["method"],
        path=scope["path"][:200],
        status=status,
        bytes=sent_bytes,
        ms=round(seconds * 1000, 1),
        peer=client[0] if client else "",
    )


def _more_headers(
    present: list[tuple[bytes, bytes]], scope: Scope, request_id: str, hsts: bool
) -> list[tuple[bytes, bytes]]:
    names = {name.lower() for name, _ in present}
    headers = {"X-Request-Id": request_id, **SECURITY_HEADERS}
    headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY.format(sockets=_socket_source(scope))
    if hsts and scope["scheme"] == "https":
        # RFC 6797 §7.2. Not for our own self-signed certificate: §8.4 would then forbid people to accept it.
        headers["Strict-Transport-Security"] = "max-age=31536000"
    encoded = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return [(name, value) for name, value in encoded if name not in names]


def _socket_source(scope: Scope) -> str:
    """Safari before 15.4 does not take 'self' for a WebSocket of the same host. A source cannot be an IPv6 literal
    (CSP3 §2.3.1, host-source): browsers say so in the console."""
    host = next((value for name, value in scope["headers"] if name.lower() == b"host"), b"").decode("latin-1")
    allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-:"
    if not host or any(char not in allowed for char in host):
        return ""
    return f" {'wss' if scope['scheme'] == 'https' else 'ws'}://{host}"


def _make_quart(services: Services, web: StaticFiles) -> QuartTrio:
    quart = QuartTrio("appliance.api", static_folder=None)
    quart.asgi_http_class = BoundedConnection
    quart.request_class = BoundedRequest
    # Of any body; each route has a bound of its own, and none holds more than `request_body` says.
    http, media_files = services.settings.http, services.settings.media_files
    questions = json_bytes(services.settings.ai.max_request_bytes)
    most = max(http.max_body_bytes, http.max_upload_bytes, media_files.max_bytes, questions)
    quart.config["MAX_CONTENT_LENGTH"] = most + _FORM_FRAME_BYTES
    quart.url_map.merge_slashes = False  # a redirect for //host would lead there
    has_options = {path for route in ROUTES if route.method == "OPTIONS" for path in (route.path, *route.aliases)}
    for route in ROUTES:
        view = _view(services, route)
        for path in (route.path, *route.aliases):
            rule = path.replace("{", "<").replace("}", ">")
            # quart would answer OPTIONS itself, in front of the row that does.
            own_options = False if path in has_options else None
            endpoint = f"{route.method} {path}"
            quart.add_url_rule(rule, endpoint, view, methods=[route.method], provide_automatic_options=own_options)

    @quart.errorhandler(HTTPException)
    async def refused(error: HTTPException) -> Response:
        if error.code == 404 and request.method in ("GET", "HEAD") and not request.path.startswith(("/api/", "/ws/")):
            request.scope["parley.route"] = "page"  # type: ignore[typeddict-unknown-key]
            return _response(web.answer(request.path, request.headers))
        return _refusal(error, _request_id())

    return quart


def _view(services: Services, route: Route) -> Callable[..., Awaitable[Response]]:
    async def view(**path_args: str) -> Response:
        asked: Any = request
        current: TrioRequest = asked._get_current_object()
        request_id = _request_id()
        current.scope["parley.route"] = route.path  # type: ignore[typeddict-unknown-key]
        try:
            response = _response(await dispatch(services, route, current, request_id, path_args))
        except Exception as error:
            response = _refusal(error, request_id)
        response.headers.update(route.headers)
        return response

    return view


def _request_id() -> str:
    return str(request.scope["parley.request_id"])  # type: ignore[typeddict-item]


def _refusal(error: Exception, request_id: str) -> Response:
    """The one place where an exception of a handler ends: a refusal, or a 500 whose traceback is in the log."""
    known = as_user_error(error)
    if known is None:
        _log.error("request_failed", exc_info=error)
        known = internal_error()
    elif known.status >= 500:
        _log.warning("request_refused", code=known.code, reason=str(error))
    return _response(_problem(known, request_id, error))


def _problem(known: UserError, request_id: str, error: Exception) -> Answer:
    status, headers, content = problem(known, request_id)
    if isinstance(error, HTTPException):
        # Allow comes with 405 (RFC 9110 §15.5.6).
        headers.update({name: value for name, value in error.get_headers() if name == "Allow"})
    return Answer(status=status, headers=list(headers.items()), content=content)


def _response(answer: Answer) -> Response:
    return Response(answer.content, status=answer.status, headers=Headers(answer.headers))
