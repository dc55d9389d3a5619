"""The SFU in a thread of its own, called from blocking tests that drive browsers. No meeting, no HTTP: media only."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import msgspec
import trio

from appliance.asyncio_thread import open_asyncio_thread
from appliance.settings import MediaSettings
from appliance.sfu.events import RoomEvent
from appliance.sfu.media import Sfu, open_sfu
from appliance.sfu.room import Room
from appliance.sfu.session import Session
from appliance.signaling import messages

T = TypeVar("T")


class SfuThread:
    """Blocking face of one SFU with one room."""

    def __init__(self) -> None:
        self.events: list[RoomEvent] = []
        self.sfu: Sfu
        self.room: Room
        self._token: trio.lowlevel.TrioToken
        self._stop: trio.Event
        self._ready = threading.Event()
        self._failure: BaseException | None = None

    def run(self, fn: Callable[..., T], *args: Any) -> T:
        """``fn(*args)`` in the SFU's thread."""
        return trio.from_thread.run_sync(fn, *args, trio_token=self._token)

    def session(self, name: str) -> Session:
        return self.run(self.room.open_session, name)

    def negotiate(self, session: Session, offer: dict[str, Any]) -> str:
        """Answer an offer as a page makes it: {"sdp", "publish", "receive"}."""
        message = msgspec.convert({"type": "offer", "negotiation": 1, **offer}, messages.Offer)
        return trio.from_thread.run(session.negotiate, message, trio_token=self._token)

    def bind(self, session: Session, seat: int, publisher: Session | None) -> None:
        def bind() -> None:
            tracks = publisher.tracks if publisher is not None else {}
            session.bind(seat, audio=tracks.get("microphone"), video=tracks.get("camera"))

        self.run(bind)

    def layers(self, session: Session) -> list[dict[str, Any]]:
        """Readings of a publisher's camera, lowest layer first."""

        def read() -> list[dict[str, Any]]:
            track = session.tracks["camera"]
            found = [p for p in self.sfu.readings.producers if p.producer == track.producer]
            return [msgspec.structs.asdict(layer) for p in found for layer in p.layers]

        return self.run(read)

    def _thread(self, settings: MediaSettings) -> None:
        try:
            trio.run(self._main, settings)
        except BaseException as error:
            self._failure = error
        finally:
            self._ready.set()

    async def _main(self, settings: MediaSettings) -> None:
        async with open_asyncio_thread() as thread, open_sfu(settings, thread) as self.sfu:
            self.room = self.sfu.open_room("browsers")
            self._token, self._stop = trio.lowlevel.current_trio_token(), trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(self._read_events)
                self._ready.set()
                await self._stop.wait()
                await self.room.close()

    async def _read_events(self) -> None:
        async for event in self.room.events:
            self.events.append(event)


@contextmanager
def sfu_thread(**media: Any) -> Iterator[SfuThread]:
    """Start it in this thread's network namespace; what fails inside is raised at the end."""
    made = SfuThread()
    settings = MediaSettings(**{"hosts": ("127.0.0.1",), "port": 0, **media})
    thread = threading.Thread(target=made._thread, args=(settings,), name="sfu")
    thread.start()
    made._ready.wait(20)
    try:
        if made._failure is not None:
            raise made._failure
        yield made
    finally:
        if made._failure is None:
            made.run(made._stop.set)
        thread.join(20)
        if made._failure is not None:
            raise made._failure
