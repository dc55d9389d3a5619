"""The listener: TCP connections, TLS, how many at once, and how it stops.

Owns the sockets and the failure of one connection; refuses to know HTTP (`http1`) and URLs (`application`).
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack

import structlog
import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.lifespan import Lifespan
from hypercorn.trio.worker_context import WorkerContext

from appliance.api.application import AsgiApp
from appliance.api.http1 import Connection, StallGuard
from appliance.errors import ConfigError
from appliance.settings import Settings

_log = structlog.get_logger(__name__)

# Half-open connections that the kernel keeps for us; what Linux allows by default (net.core.somaxconn).
BACKLOG = 4096

# After the order to stop, requests that run may finish; sockets of meetings have been closed by then.
GRACE_S = 5.0

# The first byte of a TLS connection is the record type "handshake" (RFC 8446 §5.1).
_TLS_HANDSHAKE = b"\x16"
_FIRST_BYTE_WITHIN_S = 10.0

_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nRetry-After: 5\r\nConnection: close\r\n\r\n"


async def serve_http(
    application: AsgiApp,
    settings: Settings,
    *,
    tls: ssl.SSLContext | None,
    wait_stop: Callable[[], Awaitable[object]],
    task_status: trio.TaskStatus[list[tuple[str, int]]] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Listen on ``http.host`` and ``http.port`` until ``wait_stop`` returns; then let requests finish.

    Reports the addresses once they are bound. ``tls`` None: plain HTTP. ConfigError when the address cannot be bound.
    """
    if tls is not None:
        tls.set_alpn_protocols(["http/1.1"])  # RFC 7301; see `http1` for why not h2
    listeners = await bind(settings)
    config = _hypercorn_config(settings)
    wrapped = ASGIWrapper(application)  # type: ignore[arg-type]  # our own, looser, ASGI types
    context = WorkerContext(None)
    server = _Server(wrapped, config, context, settings, tls)
    lifespan = Lifespan(wrapped, config, {})
    async with AsyncExitStack() as stack:
        for listener in listeners:
            stack.push_async_callback(trio.aclose_forcefully, listener)
        async with trio.open_nursery() as lifespan_nursery:
            await lifespan_nursery.start(lifespan.handle_lifespan)
            await lifespan.wait_for_startup()
            async with trio.open_nursery() as connections:
                async with trio.open_nursery() as accepting:
                    for listener in listeners:
                        accepting.start_soon(_accept, server.serve, listener, connections)
                    task_status.started([_address(listener) for listener in listeners])
                    await wait_stop()
                    accepting.cancel_scope.cancel()
                await context.terminated.set()
                connections.cancel_scope.deadline = trio.current_time() + GRACE_S
            await lifespan.wait_for_shutdown()
            lifespan_nursery.cancel_scope.cancel()


async def _accept(
    serve: Callable[[trio.SocketStream], Awaitable[None]], listener: trio.SocketListener, connections: trio.Nursery
) -> None:
    # serve_listeners waits and tries again when the process runs out of file descriptors.
    await trio.serve_listeners(serve, [listener], handler_nursery=connections)


class _Server:
    """What each connection is served with."""

    def __init__(
        self,
        application: ASGIWrapper,
        config: Config,
        context: WorkerContext,
        settings: Settings,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._application = application
        self._config = config
        self._context = context
        self._http = settings.http
        self._tls = tls
        self._open = 0

    async def serve(self, accepted: trio.SocketStream) -> None:
        """Serve one connection to its end; whatever goes wrong with it ends here."""
        guard = StallGuard(accepted)
        self._open += 1
        try:
            if self._open > self._http.max_connections:
                if self._tls is None:
                    await guard.send_all(_TOO_MANY)
                return
            if self._tls is not None and not await _speaks_tls(guard):
                return
            stream: StallGuard | trio.SSLStream[StallGuard] = guard
            if self._tls is not None:
                stream = trio.SSLStream(guard, self._tls, server_side=True, https_compatible=True)
            await Connection(
                self._application, self._config, self._context, {}, stream, header_s=self._http.header_timeout_s
            ).run()
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client is gone
        except Exception:
            # The one place where the failure of one connection ends: a stranger's bytes must not stop the server.
            _log.exception("connection_failed")
        finally:
            self._open -= 1


async def _speaks_tls(guard: StallGuard) -> bool:
    """Whether the client begins a TLS handshake; one that speaks plain HTTP is shown the way."""
    with trio.move_on_after(_FIRST_BYTE_WITHIN_S):
        first = await guard.socket.recv(1, 2)  # MSG_PEEK
        if first == _TLS_HANDSHAKE:
            return True
        if first.isalpha():
            await _redirect_to_https(guard)
    return False


async def _redirect_to_https(guard: StallGuard) -> None:
    head = b""
    while b"\r\n\r\n" not in head and len(head) < 8192:
        part = await guard.receive_some(8192)
        if not part:
            return
        head += part
    lines = head.split(b"\r\n")
    words = lines[0].split(b" ")
    host = next((line[5:].strip() for line in lines[1:] if line[:5].lower() == b"host:"), b"")
    path = words[1] if len(words) == 3 and words[1].startswith(b"/") else b"/"
    safe = all(33 <= byte < 127 and byte not in b"<>\"'/\\@" for byte in host)
    if host and safe:
        await guard.send_all(
            b"HTTP/1.1 308 Permanent Redirect\r\nLocation: https://" + host + path
            + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        )  # fmt: skip
    else:
        await guard.send_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


async def bind(settings: Settings) -> list[trio.SocketListener]:
    """Listen where the settings say, nothing is accepted yet. ConfigError when the address cannot be bound."""
    http = settings.http
    try:
        # trio makes an IPv6 socket take IPv6 alone; "::" means every address, and None is trio's word for that.
        host = None if http.host == "::" else http.host
        return await trio.open_tcp_listeners(http.port, host=host, backlog=BACKLOG)
    except OSError as error:
        raise ConfigError(
            f"http.host = {http.host!r}, http.port = {http.port}: cannot listen there: {error.strerror or error}"
        ) from error


def _address(listener: trio.SocketListener) -> tuple[str, int]:
    name = listener.socket.getsockname()
    return name[0], name[1]


def _hypercorn_config(settings: Settings) -> Config:
    config = Config()
    config.accesslog = None  # `application` writes the one line
    config.errorlog = logging.getLogger("hypercorn.error")
    config.keep_alive_timeout = settings.http.keep_alive_s
    config.keep_alive_max_requests = 1_000_000  # a page that polls must not be cut off
    config.websocket_max_message_size = settings.signaling.max_frame_bytes
    config.h11_max_incomplete_size = 32 * 1024  # a request's head: cookies of 8 KiB and a long URL
    config.include_server_header = False
    config.max_app_queue_size = 10
    return config
