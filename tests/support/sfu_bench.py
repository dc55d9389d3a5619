"""The SFU with a real data plane on 127.0.0.1, and aiortc peers in it; for tests that stand below live/."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import trio

from appliance.asyncio_thread import AsyncioThread, open_asyncio_thread
from appliance.settings import MediaSettings
from appliance.sfu.events import RoomEvent
from appliance.sfu.media import Sfu, open_sfu
from appliance.sfu.room import Room
from appliance.sfu.session import Session
from tests.support.peer import Peer, loopback_candidates

RED, GREEN, BLUE = (200, 30, 30), (30, 160, 40), (40, 60, 210)


class SfuBench:
    """One SFU, one room, and the events that it told."""

    def __init__(self, sfu: Sfu, thread: AsyncioThread, clients: AsyncioThread, room: Room) -> None:
        self.sfu, self.thread, self.clients, self.room = sfu, thread, clients, room
        self.events: list[RoomEvent] = []
        self.joined: list[tuple[Peer, Session]] = []

    async def read_events(self) -> None:
        async for event in self.room.events:
            self.events.append(event)

    async def join(self, name: str, peer: Peer) -> Session:
        """Negotiate and wait until media can flow."""
        session = self.room.open_session(name)
        self.joined.append((peer, session))
        await self.renegotiate(peer, session)
        await until(lambda: session.connected, f"{name} connects")
        return session

    async def renegotiate(self, peer: Peer, session: Session, *, seats: int | None = None) -> str:
        async def make_offer() -> object:
            return await peer.offer(seats=seats)

        offer = await self.clients.call(make_offer)
        answer = await session.negotiate(offer)  # type: ignore[arg-type]
        await self.clients.call(peer.accept, answer)
        return answer


async def until(condition: Callable[[], object], what: str, *, within_s: float = 10.0) -> None:
    """Poll; AssertionError says what did not come."""
    with trio.move_on_after(within_s) as scope:
        while not condition():  # noqa: ASYNC110 - conditions are about frames that aiortc counts
            await trio.sleep(0.02)
    assert not scope.cancelled_caught, f"not within {within_s} s: {what}"


@asynccontextmanager
async def sfu_bench(**media: object) -> AsyncIterator[SfuBench]:
    """An SFU on kernel-chosen ports; at the end everything is closed and nothing may be left."""
    settings = MediaSettings(**{"hosts": ("127.0.0.1",), "port": 0, **media})  # type: ignore[arg-type]
    async with AsyncExitStack() as stack:
        stack.enter_context(loopback_candidates())
        clients = await stack.enter_async_context(open_asyncio_thread())
        thread = await stack.enter_async_context(open_asyncio_thread())
        sfu = await stack.enter_async_context(open_sfu(settings, thread))
        bench = SfuBench(sfu, thread, clients, sfu.open_room("test"))
        async with trio.open_nursery() as nursery:
            nursery.start_soon(bench.read_events)
            try:
                yield bench
            finally:
                with trio.move_on_after(5, shield=True):
                    for peer, _ in bench.joined:
                        await clients.call(peer.close)
                    await bench.room.close()
