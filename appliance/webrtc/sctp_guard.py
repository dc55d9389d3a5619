"""What a decrypted SCTP packet of a client must look like before aiortc may see it.

Owns structural bounds and nothing else. It exists because aiortc 1.16.0 trusts its peer in places where one packet
of an authenticated client could stop the asyncio thread for everybody: a parameter of length 0 loops for ever and
allocates (decode_params), a SACK is expanded gap by gap (65,535 steps each), INIT beside another chunk asserts, and
streams are made for every number that a packet names. Numbers are network order, layouts from RFC 9260 §3.
"""

from __future__ import annotations

from struct import unpack_from

MAX_PACKET_BYTES = 1500  # what one DTLS record that fits a datagram can hold; aiortc reads no more
# Ids 1 and 2 are used; a client that opens channels of its own starts at 0. Announced as our number of streams.
MAX_STREAMS = 16
# Our own outbound window never holds so many chunks: 256 kB at 1,160 bytes each (data_channels bounds the queue).
MAX_SACK_SPAN = 1024

_COMMON_HEADER = 12
_DATA, _INIT, _INIT_ACK, _SACK, _HEARTBEAT, _HEARTBEAT_ACK, _ABORT = range(7)
_SHUTDOWN, _ERROR, _COOKIE_ECHO, _RECONFIG, _FORWARD_TSN = 7, 9, 10, 130, 192
_TLV_CHUNKS = frozenset({_HEARTBEAT, _HEARTBEAT_ACK, _ABORT, _ERROR, _RECONFIG})
# Shortest value of the RE-CONFIG parameters that aiortc reads (RFC 6525 §4.1, §4.4, §4.5).
_RECONFIG_SHORTEST = {13: 12, 16: 8, 17: 8}


class SctpViolationError(Exception):
    """The remote peer's SCTP packet is malformed or out of bounds; the association ends."""


def _check_parameters(packet: bytes, start: int, end: int, chunk: int) -> None:
    position = start
    while position <= end - 4:
        kind, length = unpack_from("!HH", packet, position)
        if length < 4 or position + length > end:
            raise SctpViolationError(f"chunk {chunk} has a parameter of length {length}")
        if chunk == _RECONFIG:
            value = length - 4
            if value < _RECONFIG_SHORTEST.get(kind, 0) or (kind == 13 and value % 2):
                raise SctpViolationError(f"re-configuration parameter {kind} is {value} bytes")
        position += (length + 3) & ~3


def _check_chunk(packet: bytes, kind: int, start: int, end: int) -> None:
    size = end - start
    if kind == _DATA:
        if size < 13:  # RFC 9260 §3.3.1: a DATA chunk carries at least one byte
            raise SctpViolationError("DATA chunk without data")
        stream = unpack_from("!H", packet, start + 4)[0]
        if stream >= MAX_STREAMS:
            raise SctpViolationError(f"DATA on stream {stream}, {MAX_STREAMS} were announced")
    elif kind in (_INIT, _INIT_ACK):
        if size < 16:
            raise SctpViolationError("INIT is too short")
        _check_parameters(packet, start + 16, end, kind)
    elif kind == _SACK:
        if size < 12:
            raise SctpViolationError("SACK is too short")
        gaps, duplicates = unpack_from("!HH", packet, start + 8)
        if 12 + 4 * (gaps + duplicates) > size:
            raise SctpViolationError("SACK names more blocks than it holds")
        for index in range(gaps):
            first, last = unpack_from("!HH", packet, start + 12 + 4 * index)
            if not 0 < first <= last <= MAX_SACK_SPAN:
                raise SctpViolationError(f"SACK acknowledges {first} to {last} beyond the window")
    elif kind == _FORWARD_TSN:
        if size < 4 or size % 4 or size > 4 + 4 * MAX_STREAMS:
            raise SctpViolationError(f"FORWARD-TSN is {size} bytes")
        for index in range(size // 4 - 1):
            if unpack_from("!H", packet, start + 4 + 4 * index)[0] >= MAX_STREAMS:
                raise SctpViolationError("FORWARD-TSN names a stream that does not exist")
    elif kind == _SHUTDOWN and size < 4:
        raise SctpViolationError("SHUTDOWN is too short")
    elif kind in _TLV_CHUNKS:
        _check_parameters(packet, start, end, kind)


def check_packet_untrusted(packet: bytes) -> None:
    """Raise SctpViolationError unless aiortc can take this packet in bounded time and memory."""
    size = len(packet)
    if not _COMMON_HEADER + 4 <= size <= MAX_PACKET_BYTES:
        raise SctpViolationError(f"packet is {size} bytes")
    position = _COMMON_HEADER
    kinds: list[int] = []
    while position <= size - 4:
        kind, _, length = unpack_from("!BBH", packet, position)
        if length < 4 or position + length > size:
            raise SctpViolationError(f"chunk {kind} has length {length}")
        _check_chunk(packet, kind, position + 4, position + length)
        kinds.append(kind)
        position += (length + 3) & ~3
    if _INIT in kinds and len(kinds) > 1:  # RFC 9260 §6.10: INIT is never bundled
        raise SctpViolationError("INIT is bundled with another chunk")
