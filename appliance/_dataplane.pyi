"""Typed face of the Rust data plane (appliance/dataplane/). Nothing here blocks and nothing here is async.

Commands go to the worker thread of the room by a lock-free queue and are applied in order; events come back the same
way and make `event_fd` readable. Ids (room, session, producer, consumer, tap) are chosen by the caller, positive, never
re-used. A command that names an unknown id is ignored by the worker and counted (`stats`): the id may just have gone.
ValueError means that the caller passed something malformed and nothing was queued.

session   one client's transport: ICE credentials, the validated path, SRTP keys, header-extension and payload tables
producer  one published source of a session (one m-line); its layers are the SSRCs of simulcast, up to three, or where
          only one SSRC sends the spatial layers within it (SVC: VP9, AV1)
tap       takes the frames of one producer, for the recorder
consumer  one m-line on which a session receives; keeps its SSRC for life, is bound and re-bound to the room's producers
"""

from collections.abc import Sequence
from typing import Literal, TypeAlias

class Payload:
    """One negotiated payload type of a session."""

    def __init__(
        self,
        payload_type: int,
        *,
        # "opus", "vp8", "vp9/0", "h264/42e01f/1", "av1/0": equal strings may be forwarded to each other. "red/opus" is
        # RFC 2198 with Opus in it: a session that has not got it is sent the primary block as "opus".
        format: str,
        clock_rate: int,  # Hz
        rtx_payload_type: int | None = None,
    ) -> None: ...

class Extensions:
    """Header extension ids of a session, None where not negotiated (RFC 8285)."""

    def __init__(
        self,
        *,
        audio_level: int | None = None,  # RFC 6464
        abs_send_time: int | None = None,
        transport_cc: int | None = None,
        mid: int | None = None,
        rid: int | None = None,
        repaired_rid: int | None = None,
        playout_delay: int | None = None,
        video_orientation: int | None = None,
        dependency_descriptor: int | None = None,
    ) -> None: ...

class Event:
    """Base of the variants below; match with `case Event.SessionConnected(session=s, …)`."""

    class SessionConnected(Event):
        """ICE validated the first path."""

        session: int
        address: str  # "192.0.2.7:51234"
        transport: Literal["udp", "tcp"]

    class SessionPathChanged(Event):
        session: int
        address: str
        transport: Literal["udp", "tcp"]

    class SessionLost(Event):
        """No consent for 30 s (RFC 7675), or the only TCP connection closed. The session stays and may come back."""

        session: int

    class ProducerStarted(Event):
        """First packet of a producer since it was added, or since it had stalled."""

        producer: int

    class ProducerStalled(Event):
        """No packet for 2 s on an unmuted producer, other than one that was told to send no layer."""

        producer: int

    class ProducerLayersWanted(Event):
        """Which layers of a picture, lowest first, its publisher is to send from now on; before it, all.

        A layer goes off when nobody wanted it or a higher one for 5 s, and on as soon as somebody does."""

        producer: int
        layers: list[bool]

    class ConsumerStarted(Event):
        """First packet went out after a (re-)binding: video is at a key frame."""

        consumer: int
        producer: int
        layer: int

    class Speakers(Event):
        """Audio producers above the silence threshold, loudest first; at most each 200 ms and only on change."""

        room: int
        levels: list[tuple[int, float]]  # (producer, 0..1)
        dominant: int | None  # producer; at most one change a second

    class SegmentationOff(Event):
        """The kernel refuses UDP_SEGMENT: every datagram leaves singly from now on, at two to three times the cost."""

        worker: int
        message: str

    class WorkerFailed(Event):
        """A worker thread ended by a bug; its rooms are gone. The process should stop."""

        worker: int
        message: str

AnyEvent: TypeAlias = (
    Event.SessionConnected
    | Event.SessionPathChanged
    | Event.SessionLost
    | Event.ProducerStarted
    | Event.ProducerStalled
    | Event.ProducerLayersWanted
    | Event.ConsumerStarted
    | Event.Speakers
    | Event.SegmentationOff
    | Event.WorkerFailed
)

class Tap:
    """The frames of one producer, from the moment that it was opened until the producer goes, as journal records.

    A record is 40 bytes `<IIIBBBBIqqI` (magic "PRJ1", CRC-32 of everything behind this field, payload bytes, kind,
    codec, flags, layer, generation, at_us, rtp, clock_rate) and the payload. kind: 1 frame, 2 clock (payload: u64 NTP
    time of the sender report whose RTP timestamp is `rtp`), 3 gap (frames were lost before what follows), 4 muted, 5
    unmuted.
    codec: 1 Opus, 2 VP8, 3 VP9 (layers of a picture as one superframe), 4 H.264 (Annex B), 5 AV1 (OBUs with sizes, no
    temporal delimiters). flags: bit 0 key frame, bit 1 after a loss and not decodable until the next key frame, bits 2
    and 3 quarter turns clockwise that the picture needs (a phone held upright). at_us: arrival by the clock of
    `DataPlane.now_us`, never going back within a tap. rtp: unwrapped within (layer, generation).

    Pictures are in order and begin with a key frame, which is asked for; the best simulcast layer that flows is
    followed, changed at its key frames. What the publisher repairs is waited for, 0.9 s at most. Sound is not ordered:
    frames that RED (RFC 2198) brings again come late. Nothing is taken while the producer is muted. Threads may share
    it; closed when it is collected.
    """

    def take(self) -> bytes:
        """Whole records since the last call, b"" if there are none."""

    @property
    def lost(self) -> int:
        """Frames dropped because `max_bytes` were waiting; a gap and a new key frame follow when half of it is free."""

    @property
    def ended(self) -> bool:
        """The producer is gone, or never was; `take` may still give a rest."""

    def close(self) -> None:
        """Take no more frames; idempotent. `ended` within 0.1 s."""

class DataPlane:
    def __init__(
        self,
        *,
        hosts: Sequence[str],  # to bind, e.g. ["0.0.0.0", "::"]; replies leave from the address asked (IP_PKTINFO)
        port: int,  # worker i takes port + i; 0 lets the kernel choose
        workers: int,
        tcp: bool,  # ICE-TCP passive (RFC 6544) on the same number
        max_sessions: int = 4096,  # per worker
    ) -> None:
        """Bind and start the worker threads. OSError names the address that could not be bound."""

    @property
    def ports(self) -> list[int]:
        """UDP (and TCP) port of each worker."""

    def close(self) -> None:
        """Stop the threads and close the sockets; idempotent."""

    # --- events -------------------------------------------------------------------------------------------------
    def event_fd(self) -> int:
        """Readable when poll_events has something. Owned by the data plane."""

    def poll_events(self) -> list[AnyEvent]: ...
    def dtls_fd(self) -> int:
        """Readable when poll_dtls has something; for the asyncio thread."""

    def poll_dtls(self) -> list[tuple[int, bytes]]:
        """(session, one DTLS datagram) that arrived on a path which ICE has validated."""

    # --- rooms and sessions -------------------------------------------------------------------------------------
    def add_room(self, room: int, *, worker: int, audio_last_n: int = 0) -> None:
        """`audio_last_n`: while ten or more speakers (`add_producer`) are unmuted, so many are forwarded, the loudest
        and the dominant one, and those that were among them in the last 2 s, up to twice the number; 0 forwards all.
        Speakers whose sessions tell no audio level are forwarded beside them, as many, those that sent first."""

    def remove_room(self, room: int) -> None:
        """Removes its sessions too."""

    def add_session(self, session: int, *, room: int, ufrag: str, password: str) -> None:
        """Answer connectivity checks for these local ICE credentials (controlled, ICE-lite)."""

    def restart_ice(self, session: int, *, ufrag: str, password: str) -> None:
        """New credentials; the old path keeps carrying media until a new one is nominated."""

    def set_keys(self, session: int, *, profile: str, tx: bytes, rx: bytes) -> None:
        """SRTP master key‖salt, by OpenSSL profile name: SRTP_AEAD_AES_128_GCM or SRTP_AES128_CM_SHA1_80."""

    def set_formats(self, session: int, *, payloads: Sequence[Payload], extensions: Extensions) -> None:
        """The tables of the newest negotiation."""

    def send_dtls(self, session: int, datagram: bytes) -> None: ...
    def remove_session(self, session: int) -> None:
        """Removes its producers and consumers; consumers bound to its producers fall empty."""

    # --- producers ----------------------------------------------------------------------------------------------
    def add_producer(
        self,
        producer: int,
        *,
        session: int,
        kind: Literal["audio", "video"],
        mid: str,
        rids: Sequence[str] = (),  # simulcast layers from lowest to highest picture size; empty: one layer
        ssrcs: Sequence[tuple[int, int | None]] = (),  # (media, rtx) signalled in the SDP, if any
        speaker: bool = False,  # counts for active-speaker detection (microphones, not screen audio)
    ) -> None: ...
    def mute_producer(self, producer: int, *, muted: bool) -> None:
        """Muted packets are received (feedback goes on) and not forwarded."""

    def remove_producer(self, producer: int) -> None: ...

    # --- consumers ----------------------------------------------------------------------------------------------
    def add_consumer(
        self,
        consumer: int,
        *,
        session: int,
        kind: Literal["audio", "video"],
        mid: str,
        ssrc: int,
        rtx_ssrc: int | None,
        cname: str,
    ) -> None: ...
    def bind_consumer(self, consumer: int, producer: int | None) -> None:
        """Re-binding keeps SSRC, sequence and timestamp continuity and asks the new producer for a key frame."""

    def set_consumer_layer(self, consumer: int, *, layer: int, temporal: int = 7, priority: int = 1) -> None:
        """Highest layer wanted (0 = lowest), and of it the highest temporal layer. The best flowing layer not above it
        that the session's estimate allows is sent, switched on key frames, or without one where the stream allows it.
        `priority` (0..255): who gets more of the estimate first, when every picture of the session has its lowest
        layer; sound always goes before pictures."""

    def pause_consumer(self, consumer: int, *, paused: bool) -> None: ...
    def remove_consumer(self, consumer: int) -> None: ...
    def request_key_frame(self, producer: int) -> None: ...

    # --- taps ---------------------------------------------------------------------------------------------------
    def open_tap(self, tap: int, producer: int, max_bytes: int, *, max_layer: int = 255) -> Tap:
        """Take the frames of a producer; it counts as a viewer of its layer ``max_layer``, the highest by default
        (`Event.ProducerLayersWanted`), and follows none above it where a lower one flows.

        `max_bytes`, 64 KiB to 1 GiB: records that may wait to be taken. The packet path never waits for them."""

    def now_us(self) -> int:
        """Microseconds since the Unix epoch by the clock of the taps' `at_us`: it runs with the monotonic one, and is
        set once, at start."""

    # --- numbers ------------------------------------------------------------------------------------------------
    def stats(self) -> bytes:
        """JSON snapshot that the workers refresh each second.

        {"workers": [{"worker", "port", "packets_in", "packets_out", "bytes_in", "bytes_out", "stun_in",
                      "stun_rejected", "junk", "policed", "srtp_errors", "replayed", "unknown_ids", "sessions", "rooms",
                      "send_drops", "cpu_s", "gso": bool (UDP_SEGMENT is in use)}],
         "sessions": [{"session", "connected", "address", "transport", "rtt_ms"|null, "uplink_loss", "downlink_loss",
                       "bytes_in", "bytes_out", "packets_in", "packets_out", "policed", "nacks_sent",
                       "nacks_received", "rtx_sent", "plis_sent", "plis_received", "estimate_bps"|null,
                       "allocated_bps"}],
         "producers": [{"producer", "layers": [{"rid", "ssrc", "packets", "bytes", "bitrate_bps", "lost",
                        "flowing": bool, "wanted": bool (as ProducerLayersWanted told)}]}],
         "consumers": [{"consumer", "producer"|null, "layer"|null, "packets", "bytes", "bitrate_bps", "rtx",
                        "paused_by_estimate": bool}],
         "taps": [{"tap", "producer", "frames", "bytes", "dropped" (no room)}]}
        rtt_ms: by the client's receiver reports; else, where it only publishes, the shortest answer to our NACKs of the
        last 5 to 10 s that had any, null before one. policed: packets faster than a session may send, dropped before
        decryption. Losses are shares 0..1 over the last 2 s. estimate_bps: what the link to the client carries, null
        while it gives no feedback and is not limited; allocated_bps: what the layers that are sent and the sound take
        of it. A picture is paused by the estimate when not even its lowest layer fits.
        """
