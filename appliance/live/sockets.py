"""One signaling WebSocket: a task that reads and a task that writes, and the limits of both.

Owns the socket from its first frame to its close: frame rate and size, heart-beats, silence, the bounded queue of a
client that does not read. What is said goes to the meeting's task; what a meeting says comes out of `Link`.

A client that is above its rate gets an ``error`` with ``retry_after_s`` for the frame that was one too many, which is
not carried out, and the reader rests that long: ten thousand frames a second turn into back-pressure on one TCP
connection, not into work.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
import trio

from appliance.errors import UserError
from appliance.settings import SignalingSettings
from appliance.signaling.connection import CloseCode, FrameRate
from appliance.signaling.frames import BadFrameError, decode_untrusted, encode
from appliance.signaling.messages import AnyClientMessage, Error, Heartbeat, Ping, Pong

_log = structlog.get_logger(__name__)

# A page sends `join` as soon as the socket opens; 10 s is five of its slowest round trips.
JOIN_WITHIN_S = 10.0
# One frame must leave within this time: the largest, an answer of 49 seats, takes 8 s at 100 kbit/s.
WRITE_WITHIN_S = 10.0
# The goodbye of RFC 6455 §7.1.1, to a client that may be gone.
_CLOSE_WITHIN_S = 2.0


# A quarter of the queue: what two people who speak and twenty who join say in a second.
_LAGS_FROM = 64


class SocketClosed(Exception):  # noqa: N818  # past tense: an end, not a fault
    """The other end is gone, or this end has closed; nothing more can be sent or received."""

    def __init__(self, code: int, reason: str = "") -> None:
        """``code``: of RFC 6455 §7.4.1; 1006 when the connection was lost without one."""
        super().__init__(f"socket closed with {code} {reason}".rstrip())
        self.code = code
        self.reason = reason


class Socket(Protocol):
    """One WebSocket, text frames only."""

    async def receive(self) -> str:
        """The next text frame. Raises SocketClosed. One task receives at a time."""

    async def send(self, frame: str) -> None:
        """Send a text frame; waits while the client does not read. Raises SocketClosed."""

    async def close(self, code: int, reason: str) -> None:
        """Say goodbye (RFC 6455 §7.4.1) and close; no error when it is closed already."""


class Link:
    """The writing end of one socket: a bounded queue of frames and the word of goodbye."""

    def __init__(self, frames: int) -> None:
        """``frames``: how many may wait for a client that does not read."""
        self._put, self.queue = trio.open_memory_channel[str](frames)
        self.scope = trio.CancelScope()
        self.goodbye: tuple[CloseCode, str] = (CloseCode.NORMAL, "")
        self._finished = False

    def push(self, frame: str) -> None:
        """Queue a frame; a client with a full queue is cut off and may resume."""
        if self._finished:
            return
        try:
            self._put.send_nowait(frame)
        except trio.WouldBlock:
            self.cut(CloseCode.TOO_SLOW, "does not read")
        except trio.BrokenResourceError:  # the writer has ended; the reader is about to tell
            self._finished = True

    @property
    def lags(self) -> bool:
        """More waits than a client that reads leaves for a moment."""
        return self.queue.statistics().current_buffer_used > _LAGS_FROM

    def finish(self, code: CloseCode, reason: str) -> None:
        """Close the socket once everything queued was sent. The first goodbye counts."""
        if not self._finished:
            self._finished = True
            self.goodbye = (code, reason)
            self._put.close()

    def cut(self, code: CloseCode, reason: str) -> None:
        """Close the socket now; what is queued is lost."""
        if not self._finished:
            self._finished = True
            self.goodbye = (code, reason)
        self.scope.cancel()


class Incoming:
    """The reading end: frames in, messages out; errors, pings and the rate are dealt with here."""

    def __init__(
        self, socket: Socket, link: Link, settings: SignalingSettings, wall_ms: Callable[[], int]
    ) -> None:
        self._socket = socket
        self._link = link
        self._settings = settings
        self._wall_ms = wall_ms
        self._rate = FrameRate(per_s=settings.messages_per_s, burst=settings.burst, now=trio.current_time())
        self.frames = 0
        self.refused = 0

    async def next(self) -> AnyClientMessage:
        """The next message that is one. Raises SocketClosed, also after silence_s without a frame."""
        while True:
            frame = None
            with trio.move_on_after(self._settings.silence_s):
                frame = await self._socket.receive()
            if frame is None:
                self._link.cut(CloseCode.SILENT, f"silent for {self._settings.silence_s:g} s")
                await trio.lowlevel.checkpoint()  # cancelled by the cut
                raise SocketClosed(CloseCode.SILENT)
            self.frames += 1
            wait_s = self._rate.take(trio.current_time())
            try:
                message = decode_untrusted(frame, max_bytes=self._settings.max_frame_bytes)
                if wait_s > 0:
                    self._refuse_frame(rate_limited(wait_s), message.ref)
                elif isinstance(message, Ping):
                    pong = Pong(time_ms=message.time_ms, server_time_ms=self._wall_ms())
                    self._link.push(encode(pong))
                else:
                    return message
            except BadFrameError as error:
                if error.code == "frame_too_large":
                    self._link.finish(CloseCode.TOO_BIG, str(error))
                    await trio.sleep_forever()  # until the writer has said goodbye
                self._refuse_frame(rate_limited(wait_s) if wait_s > 0 else error, error.ref)
            await trio.sleep(wait_s)

    def refuse(self, error: UserError, ref: str | None) -> None:
        """Answer with an ``error`` that keeps the connection."""
        self._link.push(encode(error_message(error, ref)))

    def _refuse_frame(self, error: UserError, ref: str | None) -> None:
        self.refused += 1
        self.refuse(error, ref)


def rate_limited(wait_s: float) -> UserError:
    """Too many messages; the next one will do in ``wait_s``."""
    return UserError(429, "rate_limited", "too many messages", retry_after_s=round(wait_s, 3))


def error_message(error: UserError, ref: str | None, *, fatal: bool = False) -> Error:
    """An error as a frame."""
    return Error(
        code=error.code,
        message=str(error),
        field=error.field,
        ref=ref,
        retry_after_s=error.retry_after_s,
        fatal=fatal,
    )


async def serve(
    socket: Socket,
    link: Link,
    settings: SignalingSettings,
    wall_ms: Callable[[], int],
    converse: Callable[[Incoming], Awaitable[None]],
) -> None:
    """Run ``converse`` on the socket, and the writer beside it, until either end closes; then close the socket.

    ``converse`` reads messages and ends with SocketClosed; what it raises otherwise ends the socket with 1011.
    """
    code, reason = CloseCode.SERVER_ERROR, "the server failed"
    try:
        with link.scope:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(_write, socket, link, settings.heartbeat_s, wall_ms)
                try:
                    await converse(Incoming(socket, link, settings, wall_ms))
                except SocketClosed:
                    link.cut(CloseCode.NORMAL, "")
        code, reason = link.goodbye
    finally:
        with trio.move_on_after(_CLOSE_WITHIN_S, shield=True) as scope:
            await socket.close(int(code), reason)
        if scope.cancelled_caught:
            _log.info("socket_close_unanswered", code=int(code))


async def _write(socket: Socket, link: Link, heartbeat_s: float, wall_ms: Callable[[], int]) -> None:
    """Queue → socket; ends the whole connection when the queue was finished or the client does not read."""
    try:
        while True:
            frame = None
            with trio.move_on_after(heartbeat_s):
                frame = await link.queue.receive()
            if frame is None:
                frame = encode(Heartbeat(server_time_ms=wall_ms()))
            with trio.move_on_after(WRITE_WITHIN_S) as scope:
                await socket.send(frame)
            if scope.cancelled_caught:
                link.cut(CloseCode.TOO_SLOW, "does not read")
    except trio.EndOfChannel:
        link.scope.cancel()
    except SocketClosed:
        link.cut(CloseCode.NORMAL, "")
    finally:
        link.queue.close()
