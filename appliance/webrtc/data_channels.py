"""The two data channels of a client: SCTP over its DTLS, by aiortc, within bounds.

Owns one SCTP association and the negotiated channels (id 1 "reactions": unordered, never retransmitted; id 2
"captions": ordered). Both ends create them by number (RFC 8832 §4 "negotiated"), so no DCEP is spoken and a channel
that the client opens besides them is acknowledged and ignored. Refuses to know what the messages mean.

Everything runs in the asyncio thread. aiortc's association is bounded here where it is not by itself: size of a
message, bytes and chunks awaiting reassembly, reordering window, messages a second, bytes waiting to go out.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog
from aiortc.rtcdatachannel import RTCDataChannel, RTCDataChannelParameters
from aiortc.rtcsctptransport import RTCSctpCapabilities, RTCSctpTransport

from appliance.webrtc.answer import MAX_MESSAGE_BYTES
from appliance.webrtc.offer import SCTP_PORT, Sctp
from appliance.webrtc.sctp_guard import MAX_STREAMS, SctpViolationError, check_packet_untrusted

if TYPE_CHECKING:
    from appliance.webrtc.dtls import KeyedDtls

_log = structlog.get_logger(__name__)

CHANNELS: tuple[RTCDataChannelParameters, ...] = (
    RTCDataChannelParameters(label="reactions", ordered=False, maxRetransmits=0, negotiated=True, id=1),
    RTCDataChannelParameters(label="captions", ordered=True, negotiated=True, id=2),
)

# Four messages of the largest size in flight: announced as our receive window.
_RECEIVE_WINDOW_BYTES = 4 * MAX_MESSAGE_BYTES
# Chunks received out of order or not yet a whole message. A message of 16 kB is 15 chunks.
_MAX_PENDING_CHUNKS = 128
# Bytes of one channel that may wait for the network; a client that takes less than our captions loses some.
_MAX_BUFFERED_BYTES = 256 * 1024
# A person reacts a few times a second; holding the key down repeats at about 30.
_MESSAGES_PER_S = 40.0
_MESSAGE_BURST = 80.0

_DCEP = 50  # RFC 8832 §8.1, payload protocol identifier of channel management


class BoundedSctp(RTCSctpTransport):
    """aiortc's association with a bound on everything that its peer can make grow."""

    def __init__(self, dtls: KeyedDtls) -> None:
        super().__init__(dtls, SCTP_PORT)
        self._advertised_rwnd = _RECEIVE_WINDOW_BYTES
        self._inbound_streams_max = MAX_STREAMS
        self._outbound_streams_count = MAX_STREAMS
        self.failure: Exception | None = None

    async def _handle_data(self, data: bytes) -> None:
        """One decrypted packet. The one place where a client's broken SCTP is caught: its channels close."""
        if self.failure is not None:
            return
        try:
            check_packet_untrusted(data)
            await super()._handle_data(data)
        except Exception as error:
            self.failure = error
            _log.warning("data_channels_failed", error=str(error), kind=type(error).__name__)
            await self.stop()

    async def _receive_data_chunk(self, chunk: Any) -> None:
        if self._last_received_tsn is None:
            raise SctpViolationError("DATA before the association")
        ahead = (chunk.tsn - self._last_received_tsn) % 2**32
        if _MAX_PENDING_CHUNKS < ahead < 2**31:
            return  # beyond the window: dropped unacknowledged, the client sends it again
        if len(chunk.user_data) > self._advertised_rwnd:
            return
        await super()._receive_data_chunk(chunk)
        if sum(len(stream.reassembly) for stream in self._inbound_streams.values()) > _MAX_PENDING_CHUNKS:
            raise SctpViolationError(f"more than {_MAX_PENDING_CHUNKS} chunks wait for the rest of their message")

    async def _receive(self, stream_id: int, pp_id: int, data: bytes) -> None:
        if pp_id == _DCEP:
            return
        if len(data) > MAX_MESSAGE_BYTES:
            raise SctpViolationError(f"message of {len(data)} bytes, {MAX_MESSAGE_BYTES} were announced")
        await super()._receive(stream_id, pp_id, data)


class DataChannels:
    """The association of one session and its channels; asyncio thread only."""

    def __init__(self, dtls: KeyedDtls, remote: Sctp, on_message: Callable[[str, str | bytes], None]) -> None:
        """``on_message(label, message)``; a message is at most MAX_MESSAGE_BYTES."""
        self._remote = remote
        self._on_message = on_message
        self._sctp = BoundedSctp(dtls)
        self._channels: dict[str, RTCDataChannel] = {}
        self._allowance = _MESSAGE_BURST
        self._allowed_at: float | None = None
        self.received = 0
        self.dropped_in = 0
        self.dropped_out = 0
        for parameters in CHANNELS:
            channel = RTCDataChannel(self._sctp, parameters)
            channel.on("message", self._listener(parameters.label))
            self._channels[parameters.label] = channel

    def _listener(self, label: str) -> Callable[[str | bytes], None]:
        def on_message(message: str | bytes) -> None:
            now = asyncio.get_running_loop().time()
            if self._allowed_at is not None:
                earned = (now - self._allowed_at) * _MESSAGES_PER_S
                self._allowance = min(_MESSAGE_BURST, self._allowance + earned)
            self._allowed_at = now
            if self._allowance < 1:
                self.dropped_in += 1
                return
            self._allowance -= 1
            self.received += 1
            self._on_message(label, message)

        return on_message

    async def start(self) -> None:
        """Begin the association; DTLS must be connected. Both ends do (RFC 8841 §9.3)."""
        # RFC 8841 §6: 0 is without bound; ours never sends more than it takes itself.
        most = min(self._remote.max_message_bytes or MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES)
        await self._sctp.start(RTCSctpCapabilities(maxMessageSize=most), self._remote.port)

    async def stop(self) -> None:
        """Abort the association and its timers."""
        await self._sctp.stop()

    def send(self, label: str, text: str) -> bool:
        """Queue a message; False when it was dropped: not open yet, too long, or too much waits already.

        KeyError for a label that does not exist.
        """
        channel = self._channels[label]
        size = len(text.encode())
        most = min(self._remote.max_message_bytes or MAX_MESSAGE_BYTES, MAX_MESSAGE_BYTES)
        if channel.readyState != "open" or size > most or channel.bufferedAmount + size > _MAX_BUFFERED_BYTES:
            self.dropped_out += 1
            return False
        channel.send(text)
        return True
