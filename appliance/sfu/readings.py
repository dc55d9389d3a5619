"""The data plane's numbers as typed structs, and the quality that follows from them.

Pure. The shapes are those of `_dataplane.DataPlane.stats`; unknown keys are ignored, so that the data plane may say
more than is read here.
"""

from __future__ import annotations

import msgspec


class WorkerReading(msgspec.Struct, frozen=True):
    worker: int
    port: int
    packets_in: int
    packets_out: int
    bytes_in: int
    bytes_out: int
    stun_in: int
    stun_rejected: int
    junk: int
    policed: int
    srtp_errors: int
    replayed: int
    unknown_ids: int
    sessions: int
    rooms: int
    send_drops: int
    cpu_s: float
    gso: bool = False  # runs of datagrams leave as one message (UDP_SEGMENT)


class SessionReading(msgspec.Struct, frozen=True):
    session: int
    connected: bool
    address: str | None = None
    transport: str | None = None
    rtt_ms: float | None = None
    uplink_loss: float = 0.0
    downlink_loss: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    packets_in: int = 0
    packets_out: int = 0
    policed: int = 0
    nacks_sent: int = 0
    nacks_received: int = 0
    rtx_sent: int = 0
    plis_sent: int = 0
    plis_received: int = 0
    estimate_bps: int | None = None
    allocated_bps: int = 0


class LayerReading(msgspec.Struct, frozen=True):
    rid: str | None
    ssrc: int | None
    packets: int
    bytes: int
    bitrate_bps: float
    lost: int
    flowing: bool


class ProducerReading(msgspec.Struct, frozen=True):
    producer: int
    layers: list[LayerReading]


class ConsumerReading(msgspec.Struct, frozen=True):
    consumer: int
    producer: int | None
    layer: int | None
    packets: int
    bytes: int
    bitrate_bps: float
    rtx: int
    paused_by_estimate: bool = False


class TapReading(msgspec.Struct, frozen=True):
    tap: int
    producer: int
    frames: int
    bytes: int
    dropped: int


class Readings(msgspec.Struct, frozen=True):
    """One snapshot; `EMPTY` before the first."""

    workers: list[WorkerReading]
    sessions: list[SessionReading]
    producers: list[ProducerReading]
    consumers: list[ConsumerReading]
    taps: list[TapReading] = []


EMPTY = Readings([], [], [], [])
_decoder = msgspec.json.Decoder(Readings)


def decode(snapshot: bytes) -> Readings:
    """The JSON of DataPlane.stats(); msgspec.ValidationError when the two halves of the program disagree."""
    return _decoder.decode(snapshot)


class SessionQuality(msgspec.Struct, frozen=True, kw_only=True):
    """Quality of one client's connection over the last 2 s. Losses are shares 0 to 1."""

    rtt_ms: int | None
    uplink_loss: float
    downlink_loss: float
    connected: bool
    estimate_bps: int | None = None
    """What the link to the client is believed to carry; None while it says nothing of what arrives."""


def quality(reading: SessionReading | None, *, connected: bool) -> SessionQuality:
    """Quality from a session's newest reading; without one nothing is known to be lost."""
    if reading is None:
        return SessionQuality(rtt_ms=None, uplink_loss=0.0, downlink_loss=0.0, connected=connected)
    return SessionQuality(
        rtt_ms=None if reading.rtt_ms is None else round(reading.rtt_ms),
        uplink_loss=min(1.0, max(0.0, reading.uplink_loss)),
        downlink_loss=min(1.0, max(0.0, reading.downlink_loss)),
        connected=connected,
        estimate_bps=reading.estimate_bps,
    )
