"""A ZeroMQ socket in trio.

Owns the waiting; refuses to know what is said. The file descriptor of a ZeroMQ socket is edge-triggered and stands for
both directions (zmq_getsockopt(3), ZMQ_FD): exactly one task waits for it, the others park, and whoever slept looks at
ZMQ_EVENTS again, since the edge may have been consumed by another's call. Rejected: zmq-anyio, a task and a thread of
its own for each socket.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import trio
import zmq

T = TypeVar("T")


class TrioSocket:
    """Any number of tasks may send and receive; messages are whole or not at all, cancelled or not."""

    def __init__(self, socket: zmq.Socket[bytes]) -> None:
        """Owns the socket from now on."""
        self._socket = socket
        self._descriptor = int(socket.getsockopt(zmq.FD))
        self._parked = trio.lowlevel.ParkingLot()
        self._someone_waits = False

    async def receive(self) -> list[bytes]:
        """The frames of the next message. trio.ClosedResourceError when the socket is closed meanwhile."""
        return await self._do(zmq.POLLIN, self.receive_nowait)

    def receive_nowait(self) -> list[bytes]:
        """The same; zmq.Again when there is none."""
        return self._socket.recv_multipart(zmq.NOBLOCK)

    async def send(self, frames: Sequence[bytes]) -> None:
        """Hand over a message; waits while the queue to the other side is full."""
        await self._do(zmq.POLLOUT, lambda: self._socket.send_multipart(frames, zmq.NOBLOCK, copy=False))

    def close(self) -> None:
        """Drop what was not sent; tasks that wait get trio.ClosedResourceError."""
        if not self._socket.closed:
            trio.lowlevel.notify_closing(self._descriptor)
            self._socket.close(linger=0)
            self._parked.unpark_all()

    async def _do(self, event: int, call: Callable[[], T]) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()
        while True:
            try:
                result = call()
            except zmq.Again:
                if int(self._events()) & event:
                    continue  # it became ready between the two looks
                await self._wait_change()
            except zmq.ZMQError as error:
                if error.errno in (zmq.ENOTSOCK, zmq.ETERM):
                    raise trio.ClosedResourceError from None
                raise
            else:
                self._parked.unpark_all()  # this call may have eaten the edge that another waits for
                await trio.lowlevel.cancel_shielded_checkpoint()
                return result

    def _events(self) -> Any:
        if self._socket.closed:
            raise trio.ClosedResourceError
        return self._socket.getsockopt(zmq.EVENTS)

    async def _wait_change(self) -> None:
        if self._someone_waits:
            await self._parked.park()
            return
        self._someone_waits = True
        try:
            await trio.lowlevel.wait_readable(self._descriptor)
        finally:
            self._someone_waits = False
            self._parked.unpark_all()
