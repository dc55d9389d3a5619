"""A client without a browser takes part: two Python guests see and hear each other through a real server."""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trio

from appliance.asyncio_thread import open_asyncio_thread
from appliance.signaling import messages
from tests.support.bot import Bot, open_bot
from tests.support.http_client import ApiError
from tests.support.peer import Peer, loopback_candidates
from tests.support.server import Server, running_server

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

RED, GREEN, BLUE = (200, 30, 30), (30, 160, 40), (40, 60, 210)


def meeting_of(server: Server) -> str:
    """Code of a new meeting."""
    host = server.client().register("hanna", "Hanna")
    return host.post("/meetings", {"title": "bots"})["code"]


def sees(bot: Bot, other: Bot, colour: tuple[int, int, int]) -> bool:
    seat = bot.seat_of(other.participant_id)
    if seat is None or seat >= len(bot.peer.seats):
        return False
    seen = bot.peer.seats[seat].seen
    return seen.frames > 5 and all(abs(a - b) < 45 for a, b in zip(seen.colour, colour, strict=True))


def test_python_guests_see_and_hear_each_other(tmp_path: Path) -> None:
    async def talk(url: str, code: str) -> None:
        with trio.fail_after(60):
            async with AsyncExitStack() as stack:
                stack.enter_context(loopback_candidates())
                thread = await stack.enter_async_context(open_asyncio_thread())

                async def join(name: str, colour: tuple[int, int, int], tone_hz: float) -> Bot:
                    peer = Peer(colour=colour, tone_hz=tone_hz)
                    return await stack.enter_async_context(open_bot(url, code, name, thread, peer=peer))

                ann = await join("Ann", RED, 440)
                bob = await join("Bob", GREEN, 660)
                await ann.until(lambda: sees(ann, bob, GREEN), "Ann sees Bob")
                await bob.until(lambda: sees(bob, ann, RED), "Bob sees Ann")
                seat = ann.seat_of(bob.participant_id)
                assert seat is not None
                await ann.until(lambda: ann.peer.seats[seat].heard.loud > 1e6, "Ann hears Bob")
                async with open_bot(url, code, "Cy", thread, peer=Peer(colour=BLUE, tone_hz=880)) as cy:
                    await cy.until(lambda: sees(cy, ann, RED) and sees(cy, bob, GREEN), "Cy sees both")
                    await ann.until(lambda: sees(ann, cy, BLUE), "Ann sees Cy")
                    await cy.send(messages.Chat(text="hello"))
                    await ann.until(lambda: [line.text for line in ann.chat] == ["hello"], "Ann reads Cy")
                await ann.until(lambda: len(ann.participants) == 2, "Cy is gone")
                before = ann.peer.seats[seat].seen.frames
                await bob.send(messages.Mute(source="camera", muted=True))
                await ann.until(lambda: any(t.muted for t in ann.participants[bob.participant_id].tracks), "mute told")
                await trio.sleep(0.5)
                still = ann.peer.seats[seat].seen.frames
                await trio.sleep(0.5)
                assert ann.peer.seats[seat].seen.frames <= still + 1 and still >= before
                assert not ann.errors and not bob.errors

    with running_server(tmp_path) as server:
        code = meeting_of(server)
        trio.run(talk, server.url, code)


def test_a_python_guest_is_refused_in_words(tmp_path: Path) -> None:
    async def knock(url: str) -> None:
        async with open_asyncio_thread() as thread:
            with pytest.raises(ApiError) as caught:
                async with open_bot(url, "zzz-zzzz-zzz", "Eve", thread):
                    pass
            assert caught.value.status == 404

    with running_server(tmp_path) as server:
        trio.run(knock, server.url)
