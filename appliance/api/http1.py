"""One HTTP/1.1 connection: hypercorn's protocol code with the bounds that it lacks.

Owns the bytes of a connection: time to send, time to finish a request's head, size of a WebSocket message. Refuses to
know URLs.

What hypercorn 0.18 leaves open, and what is done here:
- a client that never reads holds its sender for ever, also over a shutdown: `StallGuard` gives each piece a deadline
- after a WebSocket message that is too big it keeps on buffering what follows: `BoundedWebSocket` says 1009 and drops
- permessage-deflate lets 64 KiB inflate to 64 MiB before the size is looked at: it is not offered
- HTTP/2 by upgrade and by prior knowledge widens what a stranger can reach for nothing that a page of few files
  gains: this is HTTP/1.1 only, and TLS offers only that (ALPN)
- a connection is closed at once after a refused body or a WebSocket's close frame; bytes that the client still sends
  then reset it before the client has read the answer: `Connection` reads on for a moment (RFC 9112 §9.6,
  RFC 6455 §7.1.1)
"""

from __future__ import annotations

import os

import h11
import trio
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.events import Request, StreamClosed
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol, H11WSConnection
from hypercorn.protocol.ws_stream import WSStream
from hypercorn.trio.task_group import TaskGroup
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.typing import AppWrapper, ConnectionState, LifespanState
from hypercorn.utils import parse_socket_addr
from wsproto.connection import ConnectionState as WebSocketState
from wsproto.events import BytesMessage, CloseConnection, Ping, TextMessage
from wsproto.frame_protocol import CloseReason

# A piece of what is sent; each must be taken by the kernel within the stall time. 64 KiB in 10 s is 52 kbit/s, below
# which no meeting works anyway; the same time as live.sockets gives a frame.
PIECE_BYTES = 65_536
STALL_S = 10.0

# A piece of up to so much goes straight to the kernel where that takes it: signaling frames are shorter, and
# hypercorn's lock, two cancel scopes and three checkpoints cost more than the system call. What is longer keeps its
# checkpoints, so that a download on a fast link lets others have their turn.
AT_ONCE_BYTES = 4096

# A TLS handshake takes two round trips; 10 s serve a satellite link with loss.
TLS_HANDSHAKE_S = 10.0

# What is read and dropped after an answer that came before the end of the request.
LINGER_S = 1.0
LINGER_BYTES = 8 * 1024 * 1024


class StallGuard(trio.abc.HalfCloseableStream):
    """A TCP stream whose sends have a deadline; afterwards it is closed and counts as broken."""

    def __init__(self, stream: trio.SocketStream, *, stall_s: float = STALL_S) -> None:
        self.socket = stream.socket
        self._stream = stream
        self._stall_s = stall_s

    def send_nowait(self, data: bytes) -> int:
        """How many of the bytes the kernel took; nobody else may be sending. What is wrong, `send_all` tells."""
        try:
            return os.write(self.socket.fileno(), data)
        except OSError:
            return 0

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        view = memoryview(data)
        if not view:
            await trio.lowlevel.checkpoint()
        for start in range(0, len(view), PIECE_BYTES):
            with trio.move_on_after(self._stall_s) as scope:
                await self._stream.send_all(view[start : start + PIECE_BYTES])
            if scope.cancelled_caught:
                await trio.aclose_forcefully(self._stream)
                raise trio.BrokenResourceError(f"the client took nothing for {self._stall_s} s")

    async def wait_send_all_might_not_block(self) -> None:
        await self._stream.wait_send_all_might_not_block()

    async def send_eof(self) -> None:
        await self._stream.send_eof()

    async def receive_some(self, max_bytes: int | None = None) -> bytes | bytearray:
        return await self._stream.receive_some(max_bytes)

    async def aclose(self) -> None:
        await self._stream.aclose()


class BoundedWebSocket(WSStream):
    """hypercorn's WebSocket with a bound on messages that holds."""

    async def handle(self, event: StreamEvent) -> None:
        if isinstance(event, Request):
            kept = [(name, value) for name, value in event.headers if name.lower() != b"sec-websocket-extensions"]
            event = Request(
                stream_id=event.stream_id,
                headers=kept,
                http_version=event.http_version,
                method=event.method,
                raw_path=event.raw_path,
                state=event.state,
            )
            self._message: list[str | bytes] = []
            self._message_bytes = 0
        await super().handle(event)

    async def _handle_events(self) -> None:
        for event in self.connection.events():
            if isinstance(event, TextMessage | BytesMessage):
                await self._take(event)
            elif isinstance(event, Ping):
                await self._send_wsproto_event(event.response())
            elif isinstance(event, CloseConnection):
                if self.connection.state == WebSocketState.REMOTE_CLOSING:
                    await self._send_wsproto_event(event.response())
                elif self.connection.state == WebSocketState.OPEN:  # what came breaks RFC 6455
                    await self._send_wsproto_event(CloseConnection(code=event.code, reason=event.reason))
                await self.send(StreamClosed(stream_id=self.stream_id))
            if self.closed:
                return

    async def _take(self, event: TextMessage | BytesMessage) -> None:
        data = event.data
        self._message_bytes += len(data.encode()) if isinstance(data, str) else len(data)
        if self._message_bytes > self.config.websocket_max_message_size:
            self._message.clear()
            await self._send_wsproto_event(CloseConnection(code=CloseReason.MESSAGE_TOO_BIG))
            await self.send(StreamClosed(stream_id=self.stream_id))
            return
        self._message.append(bytes(data) if isinstance(data, bytearray) else data)
        if event.message_finished:
            parts, self._message, self._message_bytes = self._message, [], 0
            text = isinstance(event, TextMessage)
            assert self.app_put is not None  # set when the request was handled
            await self.app_put(
                {
                    "type": "websocket.receive",
                    "text": "".join(parts) if text else None,  # type: ignore[arg-type]
                    "bytes": None if text else b"".join(parts),  # type: ignore[arg-type]
                }
            )


class Http1(H11Protocol):
    """hypercorn's HTTP/1.1, without the ways out of it."""

    _socket: BoundedWebSocket | None = None

    async def _check_protocol(self, event: h11.Request) -> None:
        """No HTTP/2: the base class raises here to change the protocol."""

    async def _create_stream(self, request: h11.Request) -> None:
        headers = {name.lower(): value.lower() for name, value in request.headers}
        tokens = [token.strip() for token in headers.get(b"connection", b"").split(b",")]
        wants_socket = (
            request.method == b"GET" and b"upgrade" in tokens and headers.get(b"upgrade", b"").strip() == b"websocket"
        )
        if not wants_socket:
            await super()._create_stream(request)
            return
        self.stream = self._socket = BoundedWebSocket(
            self.app,
            self.config,
            self.context,
            self.task_group,
            self.ssl,
            self.client,
            self.server,
            self.stream_send,
            STREAM_ID,
        )
        assert isinstance(self.connection, h11.Connection)  # a second request cannot follow an upgrade
        self.connection = H11WSConnection(self.connection)
        await self.stream.handle(
            Request(
                stream_id=STREAM_ID,
                headers=list(request.headers),
                http_version=request.http_version.decode(),
                method="GET",
                raw_path=request.target,
                state=self.connection_state,
            )
        )

    @property
    def expects_more(self) -> bool:
        """Whether the client has yet to end what it sends: its request's body, or its side of a WebSocket."""
        socket = self._socket
        if socket is not None:
            return socket.handshake.accepted and socket.connection.state is WebSocketState.LOCAL_CLOSING
        return self.connection.their_state is h11.SEND_BODY


class Connection(TCPServer):
    """One accepted connection, served until it ends."""

    def __init__(
        self,
        app: AppWrapper,
        config: Config,
        context: object,
        state: LifespanState,
        stream: trio.SSLStream[StallGuard] | StallGuard,
        *,
        header_s: float,
    ) -> None:
        super().__init__(app, config, context, state, stream)  # type: ignore[arg-type]  # duck-typed streams
        self._header_s = header_s
        self._http: Http1 | None = None
        self._reader: trio.lowlevel.Task | None = None
        self._lingering: trio.CancelScope | None = None

    async def run(self) -> None:
        secure = isinstance(self.stream, trio.SSLStream)
        if secure:
            try:
                with trio.fail_after(TLS_HANDSHAKE_S):
                    await self.stream.do_handshake()
            except (trio.BrokenResourceError, trio.TooSlowError):
                return
        transport = self.stream.transport_stream if secure else self.stream
        socket = transport.socket
        try:
            client = parse_socket_addr(socket.family, socket.getpeername())
            server = parse_socket_addr(socket.family, socket.getsockname())
            async with TaskGroup() as task_group:
                self._task_group = task_group
                self.protocol = self._http = Http1(  # type: ignore[assignment]  # not the HTTP/2 switch
                    self.app,
                    self.config,
                    self.context,
                    task_group,
                    ConnectionState(self.state),
                    secure,
                    client,
                    server,
                    self.protocol_send,
                )
                await self.idle_task.restart(task_group, self._idle_timeout)
                await self._read_data()
                await self.idle_task.stop()  # it would keep a connection that is over until its time-out
        except OSError:
            pass  # the client is gone
        finally:
            await trio.aclose_forcefully(self.stream)

    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, Closed) and self._http is not None and self._http.expects_more:
            await self._linger()
        elif isinstance(event, RawData) and len(event.data) <= AT_ONCE_BYTES and isinstance(self.stream, StallGuard):
            sent = 0 if self.send_lock.locked() else self.stream.send_nowait(event.data)
            if sent < len(event.data):
                with trio.CancelScope(shield=sent > 0):  # half a frame sent would break the connection
                    await super().protocol_send(RawData(event.data[sent:]))
            return
        await super().protocol_send(event)

    async def _linger(self) -> None:
        """Say that nothing more comes, then drop what the client still sends, until it ends too."""
        transport = self.stream.transport_stream if isinstance(self.stream, trio.SSLStream) else self.stream
        with trio.move_on_after(LINGER_S, shield=True) as self._lingering:
            try:
                await transport.send_eof()
                if trio.lowlevel.current_task() is self._reader:
                    await self._drop()
                else:
                    await trio.sleep_forever()  # the reader drops, and cancels this
            except (trio.BrokenResourceError, trio.ClosedResourceError):
                return

    async def _drop(self) -> None:
        dropped = 0
        while data := await self.stream.receive_some(PIECE_BYTES):
            dropped += len(data)
            if dropped > LINGER_BYTES:
                return

    async def _read_data(self) -> None:
        self._reader = trio.lowlevel.current_task()
        try:
            while data := await self.stream.receive_some(PIECE_BYTES):
                if self._lingering is not None:
                    await self._drop()
                    break
                await self.protocol.handle(RawData(bytes(data)))
            else:
                if self._lingering is None:
                    await self.protocol.handle(RawData(b""))
        except (trio.ClosedResourceError, trio.BrokenResourceError):
            pass
        if self._lingering is not None:
            self._lingering.cancel()
        await self.protocol.handle(Closed())

    async def _idle_timeout(self) -> None:
        """Close a connection that sends no whole request head in time, or none at all, or when the server stops."""
        assert self._http is not None
        first = self._http.keep_alive_requests == 0
        with trio.move_on_after(self._header_s if first else self.config.keep_alive_timeout):
            await self.context.terminated.wait()
        with trio.CancelScope(shield=True):
            await self._initiate_server_close()
