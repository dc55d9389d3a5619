"""One client's connection: its negotiation, what it publishes, what its seats show.

Owns the translation between what live/ speaks of (participants, sources, seats) and the data plane's numbers, and
remembers bindings, sizes and mutes, so that a client that comes back with a new peer connection (other certificate)
finds its seats as they were. Refuses to decide who sits where. One task, the room's owner, calls all of this.

SSRCs belong to seats for the life of the transport (DESIGN §4): re-binding is invisible in SDP.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog
import trio

from appliance._dataplane import Extensions, Payload, Tap
from appliance.errors import UserError
from appliance.ids import new_id
from appliance.sfu.events import DataMessage, SessionConnected, SessionLost
from appliance.sfu.layers import UNTOLD_LAYERS, choose_layer, choose_temporal
from appliance.sfu.readings import SessionQuality, quality
from appliance.sfu.transport import Transport, next_transport
from appliance.signaling import messages
from appliance.webrtc.answer import (
    LocalTransport,
    NegotiatedConsumer,
    NegotiatedProducer,
    NegotiatedSession,
    compose_answer,
)
from appliance.webrtc.offer import Kind, Publishing, Seat, Source, read_offer
from appliance.webrtc.sdp import SdpError

if TYPE_CHECKING:
    from appliance.sfu.room import Room

_log = structlog.get_logger(__name__)

# Saying goodbye needs one hop to the asyncio thread and one datagram.
_CLOSE_DEADLINE_S = 1.0


@dataclass(frozen=True, slots=True)
class PublishedTrack:
    """What others may be bound to. Ends with its m-line, its transport or its session; a new one has a new id."""

    track_id: str
    source: Source
    kind: Kind
    layers: tuple[str, ...]
    """RIDs from lowest to highest; empty for a single layer."""
    producer: int
    """Number in the data plane."""


@dataclass(frozen=True, slots=True)
class ReceiveSeat:
    seat: int
    has_video: bool


@dataclass(slots=True)
class _Producer:
    track: PublishedTrack
    line: NegotiatedProducer


@dataclass(slots=True)
class _Consumer:
    number: int
    line: NegotiatedConsumer


ALL_LAYERS = 255
"""Of a tap: the best there is."""
# Of a camera that nobody looks at in particular; the data plane's default (_dataplane.pyi, set_consumer_layer).
DEFAULT_PRIORITY = 1


@dataclass(frozen=True, slots=True)
class _Wanted:
    width: int
    height: int
    max_fps: int
    priority: int = DEFAULT_PRIORITY


# Until somebody says otherwise a seat gets everything: live/ sends sizes right after the client's first `subscribe`.
_EVERYTHING = _Wanted(8192, 8192, 120)


class Session:
    """Made by `Room.open_session`."""

    def __init__(self, room: Room, participant_id: str) -> None:
        self.participant_id = participant_id
        self.room = room
        self._sfu = room.sfu
        self._transport: Transport | None = None
        self._producers: dict[Source, _Producer] = {}
        self._consumers: dict[tuple[int, Kind], _Consumer] = {}
        self._bound: dict[tuple[int, Kind], PublishedTrack] = {}
        self._wanted: dict[int, _Wanted] = {}
        self._muted: set[Source] = set()
        self._closed = False
        self.tells_levels = False
        """Its packets say how loud they are (RFC 6464), by the newest negotiation."""

    # --- what the owner sees -----------------------------------------------------------------------------------

    @property
    def tracks(self) -> Mapping[Source, PublishedTrack]:
        """What the newest negotiation publishes."""
        return {source: producer.track for source, producer in self._producers.items()}

    @property
    def seats(self) -> Sequence[ReceiveSeat]:
        """Seats of the newest negotiation, by number."""
        numbers = sorted({seat for seat, _ in self._consumers})
        return [ReceiveSeat(n, (n, "video") in self._consumers) for n in numbers]

    @property
    def connected(self) -> bool:
        """Media can flow: DTLS is done and there is a live path."""
        t = self._transport
        return t is not None and t.dtls_connected and not t.path_lost

    def quality(self) -> SessionQuality:
        """From the newest readings, refreshed each second."""
        reading = self._sfu.session_reading(self._transport.number) if self._transport is not None else None
        return quality(reading, connected=self.connected)

    # --- commands ----------------------------------------------------------------------------------------------

    async def negotiate(self, offer: messages.Offer) -> str:
        """Answer an offer. UserError (400, "bad_sdp") names the field and leaves the session as it was."""
        if self._closed:
            raise UserError(409, "session_closed", "the session is closed")
        with_video = sum(line.video_mid is not None for line in offer.receive)
        media = self._sfu.settings
        if with_video > media.max_seats or len(offer.receive) - with_video > max(media.audio_seats, media.max_seats):
            raise UserError(
                400, "too_many_seats", f"more receive seats than {media.max_seats}: {with_video}", field="receive"
            )
        try:
            parsed = read_offer(
                offer.sdp,
                [Publishing(line.mid, line.source) for line in offer.publish],
                [Seat(line.seat, line.audio_mid, line.video_mid) for line in offer.receive],
            )
            before = self._transport
            kept = before is not None and before.fingerprints == parsed.fingerprints
            after = next_transport(
                before if before is not None and kept else None,
                number=before.number if before is not None and kept else self._sfu.next_number(),
                remote_ufrag=parsed.remote_ufrag,
                fingerprints=parsed.fingerprints,
                seats=[line.seat for line in offer.receive],
            )
            local = LocalTransport(
                ufrag=after.ufrag,
                password=after.password,
                fingerprint=self._sfu.fingerprint,
                candidates=self.room.candidates,
                origin=after.origin,
                version=after.version,
            )
            answer, agreed = compose_answer(
                parsed, local=local, seats=after.streams, video_codecs=self._sfu.settings.video_codecs
            )
        except SdpError as error:
            # "publish[0].mid" is a field of the message already; the rest lies in its text.
            field = error.field if "[" in error.field else f"sdp.{error.field}"
            raise UserError(400, "bad_sdp", str(error), field=field) from error
        # From here nothing is refused and nothing is awaited but the goodbye of a transport that is replaced.
        if before is not None and not kept:
            await self._drop_transport(before)
            if self._closed:  # meanwhile, by another task
                raise UserError(409, "session_closed", "the session is closed")
        self._transport = after
        self._apply_transport(before if kept else None, after, agreed)
        self._apply_producers(after, agreed)
        self._apply_consumers(after, agreed)
        await trio.lowlevel.checkpoint()
        return answer

    def bind(self, seat: int, *, audio: PublishedTrack | None, video: PublishedTrack | None) -> None:
        """Put tracks of other sessions on a seat, None empties its line. Remembered when the seat is not there yet."""
        for kind, track in (("audio", audio), ("video", video)):
            key: tuple[int, Kind] = (seat, "audio" if kind == "audio" else "video")
            if self._bound.get(key) == track:
                continue
            if track is None:
                self._bound.pop(key, None)
            else:
                self._bound[key] = track
            consumer = self._consumers.get(key)
            if consumer is not None:
                self._bind(key, consumer)

    def prefer(self, seat: int, *, width: int, height: int, max_fps: int, priority: int = DEFAULT_PRIORITY) -> None:
        """Size in device pixels at which a seat's picture is shown; 0 × 0 pauses its video.

        `priority`, 0 to 255: which picture gets a better layer first when the client's link does not carry them all.
        """
        self._wanted[seat] = _Wanted(width, height, max_fps, priority)
        consumer = self._consumers.get((seat, "video"))
        if consumer is not None:
            self._apply_wanted(seat, consumer)

    def mute(self, source: Source, muted: bool) -> None:
        """Stop or resume forwarding of a source; holds for tracks of later negotiations too."""
        (self._muted.add if muted else self._muted.discard)(source)
        producer = self._producers.get(source)
        if producer is not None:
            self._sfu.plane.mute_producer(producer.track.producer, muted=muted)

    def open_tap(self, source: Source, max_bytes: int, *, max_layer: int = ALL_LAYERS) -> Tap:
        """Take the frames of what is published as a source now, as journal records of up to ``max_bytes`` that wait;
        of a picture in several layers the best one that is not above ``max_layer``.

        The tap ends with the track. LookupError when nothing is published there.
        """
        producer = self._producers.get(source)
        if producer is None:
            raise LookupError(f"participant {self.participant_id} publishes no {source}")
        number = self._sfu.next_number()
        return self._sfu.plane.open_tap(number, producer.track.producer, max_bytes, max_layer=max_layer)

    def send_data(self, label: str, text: str) -> None:
        """Send on a data channel ("reactions", "captions"); dropped while the client has none open."""
        if self._transport is not None and self._transport.dtls_connected:
            self._sfu.send_data(self._transport.number, label, text)

    async def close(self) -> None:
        """End the connection and forget everything; idempotent."""
        if self._closed:
            return
        self._closed = True
        self.room.forget(self)
        self._bound.clear()
        if self._transport is not None:
            await self._drop_transport(self._transport)
            self._transport = None

    # --- told by the SFU ---------------------------------------------------------------------------------------

    def on_dtls_connected(self) -> None:
        if self._transport is not None:
            self._transport.dtls_connected = True
            self.room.emit(SessionConnected(self))

    def on_dtls_closed(self, reason: str) -> None:
        if self._transport is not None:
            self._transport.dtls_connected = False
            self.room.emit(SessionLost(self, reason))

    def on_path(self, *, alive: bool) -> None:
        """ICE found a path, or the last one died (RFC 7675 consent)."""
        t = self._transport
        if t is None or t.path_lost is not alive:
            return  # nothing changed
        t.path_lost = not alive
        if t.dtls_connected:
            self.room.emit(SessionConnected(self) if alive else SessionLost(self, "no answer for 30 s"))

    def on_data(self, label: str, data: str | bytes) -> None:
        self.room.emit(DataMessage(self, label, data))

    # --- inside ------------------------------------------------------------------------------------------------

    def _apply_transport(self, before: Transport | None, after: Transport, agreed: NegotiatedSession) -> None:
        plane = self._sfu.plane
        self.tells_levels = agreed.extensions.get("audio_level") is not None
        if before is None:
            self._sfu.add_session(after.number, self)
            plane.add_session(after.number, room=self.room.number, ufrag=after.ufrag, password=after.password)
            self._sfu.open_dtls(after.number, after.fingerprints)
        elif before.ufrag != after.ufrag:
            plane.restart_ice(after.number, ufrag=after.ufrag, password=after.password)
        plane.set_formats(
            after.number,
            payloads=[
                Payload(p.payload_type, format=p.format, clock_rate=p.clock_rate, rtx_payload_type=p.rtx_payload_type)
                for p in agreed.payloads
            ],
            extensions=Extensions(**agreed.extensions),
        )
        if agreed.sctp is not None:
            self._sfu.open_channels(after.number, agreed.sctp)

    def _apply_producers(self, transport: Transport, agreed: NegotiatedSession) -> None:
        plane = self._sfu.plane
        lines = {line.source: line for line in agreed.producers}
        for source, producer in list(self._producers.items()):
            if lines.get(source) != producer.line:
                self._remove_producer(source)
                plane.remove_producer(producer.track.producer)
        for source, line in lines.items():
            if source in self._producers:
                continue
            number = self._sfu.next_number()
            track = PublishedTrack(new_id("trk"), source, line.kind, line.rids, number)
            self._producers[source] = _Producer(track, line)
            self._sfu.add_producer(number, self, source)
            plane.add_producer(
                number,
                session=transport.number,
                kind=line.kind,
                mid=line.mid,
                rids=line.rids,
                ssrcs=line.ssrcs,
                speaker=source == "microphone",
            )
            if source in self._muted:
                plane.mute_producer(number, muted=True)

    def _remove_producer(self, source: Source) -> None:
        producer = self._producers.pop(source)
        self._sfu.forget_producer(producer.track.producer)

    def _apply_consumers(self, transport: Transport, agreed: NegotiatedSession) -> None:
        plane = self._sfu.plane
        lines: dict[tuple[int, Kind], NegotiatedConsumer] = {(c.seat, c.kind): c for c in agreed.consumers}
        for key, consumer in list(self._consumers.items()):
            if lines.get(key) != consumer.line:
                plane.remove_consumer(consumer.number)
                del self._consumers[key]
        for key, line in lines.items():
            if key in self._consumers:
                continue
            consumer = _Consumer(self._sfu.next_number(), line)
            self._consumers[key] = consumer
            plane.add_consumer(
                consumer.number,
                session=transport.number,
                kind=line.kind,
                mid=line.mid,
                ssrc=line.ssrc,
                rtx_ssrc=line.rtx_ssrc,
                cname=f"seat-{line.seat}",
            )
            if key in self._bound:
                self._bind(key, consumer)

    def _bind(self, key: tuple[int, Kind], consumer: _Consumer) -> None:
        track = self._bound.get(key)
        if key[1] == "video" and track is not None:
            self._apply_wanted(key[0], consumer)  # first, so that the wanted layer's key frame is asked for
        self._sfu.plane.bind_consumer(consumer.number, None if track is None else track.producer)

    def _apply_wanted(self, seat: int, consumer: _Consumer) -> None:
        plane = self._sfu.plane
        wanted = self._wanted.get(seat, _EVERYTHING)
        paused = wanted.width == 0 and wanted.height == 0
        if not paused:
            track = self._bound.get((seat, "video"))
            layers = (len(track.layers) if track is not None else 0) or UNTOLD_LAYERS
            layer = choose_layer(width=wanted.width, height=wanted.height, layers=layers)
            plane.set_consumer_layer(
                consumer.number,
                layer=layer,
                temporal=choose_temporal(wanted.max_fps),
                priority=wanted.priority,
            )
        plane.pause_consumer(consumer.number, paused=paused)

    async def _drop_transport(self, transport: Transport) -> None:
        for source in list(self._producers):
            self._remove_producer(source)
        self._consumers.clear()
        self._sfu.forget_session(transport.number)
        with trio.move_on_after(_CLOSE_DEADLINE_S, shield=True) as scope:
            await self._sfu.close_dtls(transport.number)
        if scope.cancelled_caught:
            _log.warning("dtls_close_slow", participant=self.participant_id, deadline_s=_CLOSE_DEADLINE_S)
        self._sfu.plane.remove_session(transport.number)
