"""Two ends of a WebSocket in memory: text frames, bounded buffers both ways, close codes."""

from __future__ import annotations

import trio

from appliance.live.sockets import SocketClosed


class MemorySocket:
    """One end; `appliance.live.sockets.Socket`."""

    def __init__(self, outgoing: trio.MemorySendChannel[str], incoming: trio.MemoryReceiveChannel[str]) -> None:
        self._outgoing = outgoing
        self._incoming = incoming
        self.other: MemorySocket
        self.closed_with: tuple[int, str] | None = None

    async def receive(self) -> str:
        try:
            return await self._incoming.receive()
        except (trio.EndOfChannel, trio.ClosedResourceError):
            code, reason = self.other.closed_with or (1006, "")
            raise SocketClosed(code, reason) from None

    async def send(self, frame: str) -> None:
        try:
            await self._outgoing.send(frame)
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            raise SocketClosed(1006) from None

    async def close(self, code: int, reason: str) -> None:
        if self.closed_with is None:
            self.closed_with = (int(code), reason)
        self._outgoing.close()
        await trio.lowlevel.checkpoint()

    def break_off(self) -> None:
        """The network fails: no goodbye, nothing more either way."""
        self._outgoing.close()
        self._incoming.close()


def socket_pair(*, buffer: int = 64) -> tuple[MemorySocket, MemorySocket]:
    """Server's and client's end; ``buffer`` frames are under way in each direction before a sender waits."""
    down_send, down_receive = trio.open_memory_channel[str](buffer)
    up_send, up_receive = trio.open_memory_channel[str](buffer)
    server, client = MemorySocket(down_send, up_receive), MemorySocket(up_send, down_receive)
    server.other, client.other = client, server
    return server, client
