"""The SFU of this process: data plane, DTLS endpoint, the pumps between them and trio.

Owns numbering, the choice of a worker for a room, and the way of events from Rust threads and the asyncio thread to
the rooms. Refuses policy: live/ says who is bound to whom.

Threads: the packet path lives in the data plane's workers and never comes here. DTLS datagrams go to the asyncio
thread, which hands keys straight back to the data plane. trio hears of state changes only.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import structlog
import trio

from appliance._dataplane import DataPlane, Event
from appliance.asyncio_thread import AsyncioThread
from appliance.errors import ConfigError
from appliance.settings import MediaSettings
from appliance.sfu.addresses import choose_announced, default_hosts, interface_addresses
from appliance.sfu.events import LayersWanted, Speakers, TrackStalled, TrackStarted
from appliance.sfu.readings import EMPTY, Readings, SessionReading, decode
from appliance.sfu.room import Room
from appliance.sfu.session import Session
from appliance.webrtc.answer import Candidate
from appliance.webrtc.dtls import DtlsEndpoint, ServerCertificate
from appliance.webrtc.offer import Sctp, Source

if TYPE_CHECKING:
    from appliance._dataplane import AnyEvent

_log = structlog.get_logger(__name__)

_READINGS_EACH_S = 1.0  # DataPlane.stats is refreshed as often
# Goodbyes to all clients at the end; each is one datagram.
_CLOSE_DEADLINE_S = 3.0


class DataPlaneFailedError(RuntimeError):
    """A worker thread ended by a bug; its rooms are gone and the process should stop."""


class Sfu:
    """Made by `open_sfu`; everything here belongs to trio's thread except the DtlsListener part of _FromAsyncio."""

    def __init__(
        self,
        settings: MediaSettings,
        plane: DataPlane,
        thread: AsyncioThread,
        certificate: ServerCertificate,
        addresses: tuple[str, ...],
    ) -> None:
        self.settings = settings
        self.plane = plane
        self.fingerprint = certificate.fingerprint
        self.addresses = addresses
        """Addresses that the candidates name."""
        self._thread = thread
        self._numbers = itertools.count(1)
        self._rooms: dict[int, Room] = {}
        self._sessions: dict[int, Session] = {}
        self._producers: dict[int, tuple[Session, Source]] = {}
        self._readings: Readings = EMPTY
        self._session_readings: dict[int, SessionReading] = {}
        self._dtls_statistics: dict[str, int] = {}
        self._epoch_ns = time.time_ns() - time.monotonic_ns()
        self.endpoint = DtlsEndpoint(plane, certificate, _FromAsyncio(self, thread))

    # --- what live/ uses ---------------------------------------------------------------------------------------

    @property
    def ports(self) -> list[int]:
        """UDP (and TCP) port of each worker."""
        return self.plane.ports

    def clock_us(self) -> int:
        """The clock of the taps' records: microseconds since the Unix epoch as of the start, never set back."""
        return (time.monotonic_ns() + self._epoch_ns) // 1000

    def open_room(self, key: str) -> Room:
        """A new room on the worker with the fewest sessions. ``key`` names it in logs."""
        load = [0] * len(self.ports)
        for room in self._rooms.values():
            load[room.worker] += 1 + len(room.sessions)
        worker = load.index(min(load))
        port = self.ports[worker]
        candidates = [Candidate(address, port, tcp=False) for address in self.addresses]
        if self.settings.tcp:
            candidates += [Candidate(address, port, tcp=True) for address in self.addresses]
        room = Room(self, key, self.next_number(), worker, tuple(candidates))
        self._rooms[room.number] = room
        self.plane.add_room(room.number, worker=worker, audio_last_n=self.settings.audio_last_n)
        return room

    def statistics(self) -> dict[str, object]:
        """Counts now, and the data plane's numbers of the last second."""
        return {
            "rooms": len(self._rooms),
            "sessions": len(self._sessions),
            "producers": len(self._producers),
            "taps": len(self._readings.taps),
            "dtls": dict(self._dtls_statistics),
            "workers": [
                {name: getattr(worker, name) for name in worker.__struct_fields__} for worker in self._readings.workers
            ],
        }

    @property
    def readings(self) -> Readings:
        """The data plane's numbers of the last second."""
        return self._readings

    # --- what rooms and sessions use ---------------------------------------------------------------------------

    def next_number(self) -> int:
        """Ids of the data plane: positive, never used again."""
        return next(self._numbers)

    def session_reading(self, number: int) -> SessionReading | None:
        return self._session_readings.get(number)

    def add_session(self, number: int, session: Session) -> None:
        self._sessions[number] = session

    def forget_session(self, number: int) -> None:
        self._sessions.pop(number, None)
        self._session_readings.pop(number, None)

    def add_producer(self, number: int, session: Session, source: Source) -> None:
        self._producers[number] = (session, source)

    def forget_producer(self, number: int) -> None:
        self._producers.pop(number, None)

    def forget_room(self, room: Room) -> None:
        self._rooms.pop(room.number, None)

    def open_dtls(self, number: int, fingerprints: Iterable[tuple[str, str]]) -> None:
        self._thread.post(self.endpoint.open, number, tuple(fingerprints))

    def open_channels(self, number: int, remote: Sctp) -> None:
        self._thread.post(self.endpoint.open_channels, number, remote)

    def send_data(self, number: int, label: str, text: str) -> None:
        self._thread.post(self.endpoint.send, number, label, text)

    async def close_dtls(self, number: int) -> None:
        await self._thread.call(self.endpoint.close, number)

    # --- pumps -------------------------------------------------------------------------------------------------

    async def pump_events(self) -> None:
        """Rust → rooms. Raises DataPlaneFailedError into the nursery that owns the SFU."""
        fd = self.plane.event_fd()
        while True:
            await trio.lowlevel.wait_readable(fd)
            for event in self.plane.poll_events():
                self._dispatch(event)

    async def pump_readings(self) -> None:
        """Refresh the numbers each second."""
        while True:
            await trio.sleep(_READINGS_EACH_S)
            self._readings = decode(self.plane.stats())
            self._session_readings = {r.session: r for r in self._readings.sessions if r.session in self._sessions}
            self._dtls_statistics = await self._thread.call(self._ask_dtls)

    async def _ask_dtls(self) -> dict[str, int]:
        return self.endpoint.statistics()

    def _dispatch(self, event: AnyEvent) -> None:
        match event:
            case Event.SessionConnected(session=number) | Event.SessionPathChanged(session=number):
                if (session := self._sessions.get(number)) is not None:
                    session.on_path(alive=True)
            case Event.SessionLost(session=number):
                if (session := self._sessions.get(number)) is not None:
                    session.on_path(alive=False)
            case Event.ProducerStarted(producer=number):
                if number in self._producers:
                    session, source = self._producers[number]
                    session.room.emit(TrackStarted(session, source))
            case Event.ProducerStalled(producer=number):
                if number in self._producers:
                    session, source = self._producers[number]
                    session.room.emit(TrackStalled(session, source))
            case Event.ProducerLayersWanted(producer=number, layers=layers):
                if number in self._producers:
                    session, source = self._producers[number]
                    rids = session.tracks[source].layers or (None,)
                    session.room.emit(LayersWanted(session, source, tuple(zip(rids, layers, strict=True))))
            case Event.Speakers(room=number, levels=levels, dominant=dominant):
                self._speakers(number, levels, dominant)
            case Event.SegmentationOff(worker=worker, message=message):
                _log.warning("segmentation_off", worker=worker, reason=message)
            case Event.WorkerFailed(worker=worker, message=message):
                raise DataPlaneFailedError(f"worker {worker} of the data plane failed: {message}")

    def _speakers(self, number: int, levels: list[tuple[int, float]], dominant: int | None) -> None:
        room = self._rooms.get(number)
        if room is None:
            return
        heard = tuple(
            (self._producers[producer][0].participant_id, level)
            for producer, level in levels
            if producer in self._producers
        )
        first = self._producers.get(dominant) if dominant is not None else None
        room.emit(Speakers(heard, first[0].participant_id if first is not None else None))

    def dtls_connected(self, number: int) -> None:
        if (session := self._sessions.get(number)) is not None:
            session.on_dtls_connected()

    def dtls_closed(self, number: int, reason: str) -> None:
        if (session := self._sessions.get(number)) is not None:
            _log.info("session_dtls_closed", participant=session.participant_id, reason=reason)
            session.on_dtls_closed(reason)

    def data_message(self, number: int, label: str, message: str | bytes) -> None:
        if (session := self._sessions.get(number)) is not None:
            session.on_data(label, message)


class _FromAsyncio:
    """DtlsListener: carries each call over to trio."""

    def __init__(self, sfu: Sfu, thread: AsyncioThread) -> None:
        self._sfu = sfu
        self._thread = thread

    def dtls_connected(self, session: int) -> None:
        self._thread.send_to_trio(self._sfu.dtls_connected, session)

    def dtls_closed(self, session: int, reason: str) -> None:
        self._thread.send_to_trio(self._sfu.dtls_closed, session, reason)

    def data_message(self, session: int, label: str, message: str | bytes) -> None:
        self._thread.send_to_trio(self._sfu.data_message, session, label, message)


@asynccontextmanager
async def open_sfu(settings: MediaSettings, thread: AsyncioThread, *, loopback: bool = True) -> AsyncIterator[Sfu]:
    """Bind the ports and start the workers; at the end say goodbye to every client.

    ``loopback``: announce loopback addresses beside the others (a server on this machine, for this machine).
    ConfigError names an address or port that cannot be bound. DataPlaneFailedError when a worker dies.
    """
    interfaces = interface_addresses()
    hosts = settings.hosts or default_hosts(interfaces)
    plane = _open_plane(settings, hosts)
    try:
        addresses = choose_announced(
            configured=settings.announced_addresses, hosts=hosts, interfaces=interfaces, loopback=loopback
        )
        sfu = Sfu(settings, plane, thread, ServerCertificate.generate(), addresses)
        await thread.call(_start, sfu.endpoint)
        _log.info("sfu_listening", ports=sfu.ports, hosts=list(hosts), announced=list(addresses))
        try:
            async with trio.open_nursery() as nursery:
                nursery.start_soon(sfu.pump_events)
                nursery.start_soon(sfu.pump_readings)
                yield sfu
                nursery.cancel_scope.cancel()
        finally:
            with trio.move_on_after(_CLOSE_DEADLINE_S, shield=True):
                await thread.call(sfu.endpoint.stop)
    finally:
        plane.close()


def check_ports(settings: MediaSettings) -> None:
    """Bind what `open_sfu` would bind and let go of it. ConfigError names an address or port that cannot be bound."""
    _open_plane(settings, settings.hosts or default_hosts(interface_addresses())).close()


def _open_plane(settings: MediaSettings, hosts: tuple[str, ...]) -> DataPlane:
    try:
        return DataPlane(hosts=hosts, port=settings.port, workers=settings.workers, tcp=settings.tcp)
    except OSError as error:
        raise ConfigError(f"media.port {settings.port} cannot be opened: {error}") from error


async def _start(endpoint: DtlsEndpoint) -> None:
    endpoint.start()
