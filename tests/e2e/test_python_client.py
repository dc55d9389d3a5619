"""A client that is no browser, on aiortc, meets Chromium: both directions, picture and sound."""

from __future__ import annotations

import threading
from collections.abc import Callable

import trio

from appliance.asyncio_thread import open_asyncio_thread
from tests.e2e.person import Person, alike, new_meeting
from tests.support.bot import Bot, open_bot
from tests.support.browser import wait_until
from tests.support.media import COLOURS
from tests.support.peer import Peer, loopback_candidates
from tests.support.server import Server

BOT_WITHIN_S = 60.0


class Guest:
    """A bot in a thread of its own, because Playwright's loop holds this one. What it saw is read after ``leave``."""

    def __init__(self, url: str, code: str) -> None:
        self.failure: BaseException | None = None
        self.saw: list[tuple[int, int, int]] = []
        self.heard_energy = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(url, code), name="bot")
        self._thread.start()

    def leave(self) -> None:
        self._stop.set()
        self._thread.join(timeout=BOT_WITHIN_S)
        assert not self._thread.is_alive()
        if self.failure:
            raise self.failure

    def _run(self, url: str, code: str) -> None:
        try:
            trio.run(self._visit, url, code)
        except BaseException as error:
            self.failure = error

    async def _visit(self, url: str, code: str) -> None:
        with trio.fail_after(BOT_WITHIN_S):
            async with (
                open_asyncio_thread() as thread,
                open_bot(url, code, "Robbie", thread, peer=Peer(colour=COLOURS["blue"], tone_hz=440)) as bot,
            ):
                while not self._stop.is_set():
                    self._note(bot)
                    await trio.sleep(0.1)

    def _note(self, bot: Bot) -> None:
        for seat in bot.peer.seats:
            if seat.seen.frames:
                self.saw.append(seat.seen.colour)
            self.heard_energy = max(self.heard_energy, seat.heard.loud)


def test_python_client_meets_chromium(server: Server, people: Callable[..., Person]) -> None:
    code = new_meeting(server.client().register("ana", "Ana"))["code"]
    ana = people("Ana", "red")
    ana.join(code)
    with loopback_candidates():
        guest = Guest(server.url, code)
        try:
            ana.sees("Robbie", "blue")
            ana.hears_something()
            # Speech has pauses and the mean of the picture holds Ana's white square: wait for both.
            wait_until(
                lambda: len(guest.saw) > 20 and guest.heard_energy > 1e4, "the bot saw and heard Ana", within_s=15
            )
        finally:
            guest.leave()
    assert alike(guest.saw[-1], COLOURS["red"]), guest.saw[-5:]
    ana.sees_people([])
