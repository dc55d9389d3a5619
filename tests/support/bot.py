"""A meeting guest in Python: signs in over HTTP, speaks the signaling protocol, sends and receives real media.

Owns the order of things that a client does; pictures and sound are `peer.Peer`'s. Knows the server only by its
documented interfaces. Runs in trio; aiortc runs in an AsyncioThread that bots share.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any
from urllib.parse import urlsplit

import msgspec
import trio
from trio_websocket import ConnectionClosed, WebSocketConnection, wrap_client_stream

from appliance.asyncio_thread import AsyncioThread
from appliance.signaling import messages
from tests.support.http_client import HttpClient
from tests.support.peer import Peer

_decoder = msgspec.json.Decoder(messages.AnyServerMessage)


class Bot:
    """One guest in one meeting. ``frames`` on a seat are in ``peer.seats[n].seen`` and ``.heard``."""

    def __init__(self, name: str, socket: WebSocketConnection, peer: Peer, thread: AsyncioThread) -> None:
        self.name = name
        self.peer = peer
        self.participant_id = ""
        self.session_id = ""
        self.resume_token = ""
        self.last_seq = 0
        self.participants: dict[str, messages.Participant] = {}
        self.seats: list[messages.SeatBinding] = []
        self.chat: list[messages.ChatMessage] = []
        self.errors: list[messages.Error] = []
        self.received: list[messages.AnyServerMessage] = []
        """Every frame in order, without heart-beats."""
        self.closed: messages.RoomClosed | None = None
        self._socket = socket
        self._thread = thread
        self._heartbeat_s = 5.0
        self._need = messages.MediaNeed(seats=0, audio_seats=0)
        self._awaiting_answer = False
        self._offer_again = False

    async def send(self, message: messages.AnyClientMessage) -> None:
        await self._socket.send_message(msgspec.json.encode(message).decode())

    async def until(self, condition: Callable[[], object], what: str, *, within_s: float = 15.0) -> None:
        """Poll; AssertionError says what did not come, and which errors did."""
        with trio.move_on_after(within_s) as scope:
            while not condition():  # noqa: ASYNC110 - conditions are about frames that aiortc counts
                await trio.sleep(0.02)
        assert not scope.cancelled_caught, f"{self.name}: not within {within_s} s: {what}; errors {self.errors}"

    def seat_of(self, participant_id: str, source: str = "camera") -> int | None:
        """The seat on which somebody's picture sits."""
        for binding in self.seats:
            if binding.participant_id == participant_id and binding.source == source:
                return binding.seat
        return None

    async def leave(self) -> None:
        await self.send(messages.Leave())

    async def renegotiate(self) -> None:
        """Send an offer with the seats that the server asked for last; after the answer that is still to come."""
        if self._awaiting_answer:
            self._offer_again = True
            return
        self._awaiting_answer = True
        need = self._need

        async def make() -> messages.Offer:
            return await self.peer.offer(seats=need.seats, audio_seats=need.audio_seats)

        await self.send(await self._thread.call(make))

    async def _read(self) -> None:
        try:
            while True:
                frame = await self._socket.get_message()
                seq = msgspec.json.decode(frame, type=_Numbered).seq
                if seq is not None:
                    self.last_seq = seq
                await self._handle(_decoder.decode(frame))
        except ConnectionClosed:
            return

    async def _handle(self, message: messages.AnyServerMessage) -> None:
        if not isinstance(message, messages.Heartbeat | messages.Pong):
            self.received.append(message)
        match message:
            case messages.Joined():
                self.participant_id, self.session_id = message.participant_id, message.session_id
                self.resume_token = message.resume_token
                self._heartbeat_s = message.heartbeat_s
                self.participants = {p.participant_id: p for p in message.room.participants}
                self.chat = list(message.chat)
                self._need = message.need_media
                await self.renegotiate()
            case messages.NeedMedia():
                self._need = message.need
                await self.renegotiate()
            case messages.Answer():
                await self._thread.call(self.peer.accept, message.sdp)
                self._awaiting_answer = False
                if self._offer_again:
                    self._offer_again = False
                    await self.renegotiate()
            case messages.Seats():
                self.seats = message.seats
            case messages.UserJoined() | messages.ParticipantChanged():
                self.participants[message.participant.participant_id] = message.participant
            case messages.UserLeft():
                self.participants.pop(message.participant_id, None)
            case messages.Tracks():
                who = self.participants.get(message.participant_id)
                if who is not None:
                    self.participants[who.participant_id] = msgspec.structs.replace(who, tracks=message.tracks)
            case messages.ChatPosted():
                self.chat.append(message.message)
            case messages.Error():
                self.errors.append(message)
            case messages.RoomClosed():
                self.closed = message

    async def _beat(self) -> None:
        try:
            while True:
                await trio.sleep(self._heartbeat_s)
                await self.send(messages.Ping())
        except ConnectionClosed:
            return


class _Numbered(msgspec.Struct):
    seq: int | None = None


@asynccontextmanager
async def open_bot(
    url: str, meeting: str, name: str, thread: AsyncioThread, *, peer: Peer | None = None, passcode: str | None = None
) -> AsyncIterator[Bot]:
    """Join ``meeting`` (code or id) at the server ``url`` as a guest; leaves at the end.

    ``peer`` says what is published; without one the bot only receives. `peer.loopback_candidates` must be in force
    for a server on 127.0.0.1. ApiError when the meeting does not take the guest.
    """
    peer = peer or Peer()
    body: dict[str, Any] = {"name": name} | ({"passcode": passcode} if passcode is not None else {})
    joined = await trio.to_thread.run_sync(HttpClient(url).post, f"/meetings/{meeting}/join", body)
    address = urlsplit(url)
    assert address.hostname is not None
    # trio-websocket leaves its stream open when the server closes first, so the stream is ours.
    stream: trio.abc.Stream = await trio.open_tcp_stream(address.hostname, address.port or 443)
    if address.scheme == "https":
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        stream = trio.SSLStream(stream, context, server_hostname=address.hostname, https_compatible=True)
    async with stream, trio.open_nursery() as nursery:
        socket = await wrap_client_stream(nursery, stream, address.netloc, joined["signaling_path"])
        bot = Bot(name, socket, peer, thread)
        nursery.start_soon(bot._read)
        await bot.send(messages.Join(room=joined["meeting"]["id"], token=joined["token"]))
        await bot.until(lambda: bot.participant_id or bot.errors, "joined")
        assert bot.participant_id, bot.errors
        nursery.start_soon(bot._beat)
        try:
            yield bot
        finally:
            with trio.move_on_after(3, shield=True):
                await thread.call(peer.close)
                with suppress(ConnectionClosed):
                    await bot.leave()
                await socket.aclose()
            nursery.cancel_scope.cancel()
