"""The contract of the media plane, kept by the still one and by the real Sfu; then a meeting on the real one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trio

from appliance.asyncio_thread import AsyncioThread, open_asyncio_thread
from appliance.errors import UserError
from appliance.live.media import MediaPlane, MediaRoom, MediaSession
from appliance.settings import MediaSettings
from appliance.sfu.media import open_sfu
from appliance.signaling.messages import Offer
from tests.support.live_world import Client, open_world, world_settings
from tests.support.peer import Peer, loopback_candidates
from tests.support.still_media import StillMedia

pytestmark = pytest.mark.slow


@asynccontextmanager
async def real_media() -> AsyncIterator[MediaPlane]:
    settings = MediaSettings(hosts=("127.0.0.1",), port=0, initial_seats=2, max_seats=9)
    async with open_asyncio_thread() as thread, open_sfu(settings, thread) as sfu:
        yield sfu


@asynccontextmanager
async def still_media() -> AsyncIterator[MediaPlane]:
    yield StillMedia()


@asynccontextmanager
async def open_peers() -> AsyncIterator[AsyncioThread]:
    """The loop of aiortc clients, with ICE on 127.0.0.1."""
    with loopback_candidates():
        async with open_asyncio_thread() as clients:
            yield clients


async def _offer(clients: AsyncioThread, peer: Peer, **seats: int) -> Offer:
    async def make() -> Offer:
        return await peer.offer(**seats)

    return await clients.call(make)


@pytest.mark.parametrize("opened", [still_media, real_media])
async def test_a_media_plane_keeps_its_contract(opened: Any) -> None:
    async with open_peers() as clients, opened() as plane:
        media: MediaPlane = plane
        room: MediaRoom = media.open_room("mtg_1")
        session: MediaSession = room.open_session("prt_1")
        assert (dict(session.tracks), list(session.seats), session.connected) == ({}, [], False)
        session.mute("microphone", True)  # before there is one
        session.send_data("reactions", "{}")
        session.bind(0, audio=None, video=None)
        session.prefer(0, width=640, height=360, max_fps=30, priority=1)
        assert session.quality().connected is False

        peer = Peer(colour=(200, 30, 30), tone_hz=440, seats=1, audio_seats=1)
        first = await _offer(clients, peer)
        assert (await session.negotiate(first)).startswith("v=0")
        assert {source: t.kind for source, t in session.tracks.items()} == {"microphone": "audio", "camera": "video"}
        assert [(s.seat, s.has_video) for s in session.seats] == [(0, True), (1, False)]
        before = dict(session.tracks)

        with pytest.raises(UserError) as error:
            await session.negotiate(msgspec.structs.replace(first, sdp="garbage"))
        assert (error.value.status, error.value.code) == (400, "bad_sdp")
        assert str(error.value.field).startswith("sdp.")
        assert dict(session.tracks) == before

        other = room.open_session("prt_2")
        other.bind(0, audio=before["microphone"], video=before["camera"])
        await other.close()
        await other.close()
        with pytest.raises(UserError) as error:
            await other.negotiate(first)
        assert error.value.code == "session_closed"
        await clients.call(peer.close)
        await room.close()
        events = [event async for event in room.events]
        assert all(type(event).__name__ == "SessionConnected" for event in events)
        media.open_room("mtg_1")  # the key is free again


class Caller:
    """A page: its signaling and its peer connection."""

    def __init__(self, clients: AsyncioThread, client: Client, peer: Peer) -> None:
        self.clients, self.client, self.peer = clients, client, peer

    async def call(self, **seats: int) -> None:
        offer = await _offer(self.clients, self.peer, **seats)
        await self.client.says("offer", **{k: v for k, v in msgspec.to_builtins(offer).items() if k != "type"})
        answer = await self.client.hears("answer", negotiation=offer.negotiation)
        await self.clients.call(self.peer.accept, answer["sdp"])


async def test_two_peers_see_and_hear_each_other_over_the_real_sfu(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        clients = await stack.enter_async_context(open_peers())
        media = await stack.enter_async_context(real_media())
        settings = world_settings(tmp_path, resume_s=10.0)
        world = await stack.enter_async_context(open_world(tmp_path, settings=settings, media=media))
        meeting = await world.meeting()
        red, blue = Peer(colour=(200, 30, 30), tone_hz=440, seats=2), Peer(colour=(40, 60, 210), tone_hz=660, seats=2)
        ann = Caller(clients, await world.join(meeting, "Ann", "host"), red)
        await ann.call()
        bob = Caller(clients, await world.join(meeting, "Bob"), blue)
        await bob.call()
        try:
            seats = (await bob.client.hears("seats"))["seats"]
            assert [(s["participant_id"], s["audio"], s["video"]) for s in seats] == [
                (ann.client.id, True, True), (None, False, False),
            ]  # fmt: skip
            at_bob, at_ann = bob.peer.seats[0], ann.peer.seats[0]
            await world.until(lambda: at_bob.seen.frames > 10 and at_ann.seen.frames > 10, within_s=12)
            await world.until(lambda: at_bob.heard.loud > 1e6 and at_ann.heard.loud > 1e6, within_s=12)
            assert at_bob.seen.colour[0] > 120 > at_bob.seen.colour[2]
            assert at_ann.seen.colour[2] > 120 > at_ann.seen.colour[0]
            heard = await ann.client.hears("active-speakers")
            assert {s["participant_id"] for s in heard["speakers"]} <= {ann.client.id, bob.client.id}

            # A lost socket loses no media: frames go on while it is away, and the seats are as they were.
            frames = at_bob.seen.frames
            await bob.client.catch_up()
            bob.client.socket.break_off()
            await ann.client.hears("participant-changed")
            await world.until(lambda: at_bob.seen.frames > frames + 10, within_s=12)
            back = await world.resume(bob.client)
            assert (await back.hears("resumed"))["media_connected"] is True
            await back.hears_nothing_of("seats")
            bob.client = back

            # A mute is silence at the other end.
            await bob.client.says("mute", source="microphone", muted=True)
            await ann.client.hears("tracks", participant_id=bob.client.id)
            await trio.sleep(0.3)
            silent = at_ann.heard.frames
            pictures = at_ann.seen.frames
            await world.until(lambda: at_ann.seen.frames > pictures + 10, within_s=12)
            assert at_ann.heard.frames <= silent + 2

            # A reaction takes the data channel, once.
            await ann.client.says("reaction", reaction="heart")
            await world.until(lambda: len(bob.peer.messages) > 0, within_s=5)
            label, text = bob.peer.messages[0]
            assert (label, json.loads(text)) == ("reactions", {"participant_id": ann.client.id, "reaction": "heart"})
            await bob.client.hears_nothing_of("reaction")
            quality = await ann.client.hears("quality")
            assert all(0 <= p["score"] <= 4 for p in quality["participants"])
        finally:
            for caller in (ann, bob):
                await clients.call(caller.peer.close)
