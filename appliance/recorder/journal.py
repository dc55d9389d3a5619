"""The records of a journal: what the data plane writes, read back whatever happened to the file.

Owns the format (the data plane's ``tap`` writes the same); refuses to know what a frame means. A journal is records one
behind the other, each with its own checksum, so that a flipped bit costs one record and a crash the last one:

======  ==========  ===========================================================
offset  type        meaning
======  ==========  ===========================================================
0       u32         `MAGIC`
4       u32         CRC-32 of everything after this field
8       u32         bytes of payload, at most `MAX_PAYLOAD`
12      u8          kind: 1 frame, 2 clock, 3 gap, 4 muted, 5 unmuted, 16 note
13      u8          codec: 1 Opus, 2 VP8, 3 VP9, 4 H.264, 5 AV1
14      u8          flags: 1 key frame, 2 not decodable after a loss, 4 and 8 turned
15      u8          simulcast layer
16      u32         generation of the layer
20      i64         arrival, microseconds since the Unix epoch
28      i64         RTP timestamp, unwrapped
36      u32         Hz of the RTP timestamp
40                  payload
======  ==========  ===========================================================

All little-endian. A clock's payload is the u64 NTP time of a sender report at that RTP timestamp; a note's is JSON.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from enum import IntEnum
from typing import BinaryIO

import msgspec

MAGIC = 0x314A5250
MAX_PAYLOAD = 8 * 1024 * 1024

_HEADER = struct.Struct("<IIIBBBBIqqI")
_MAGIC_BYTES = MAGIC.to_bytes(4, "little")
_CHECKED_FROM = 8
_PIECE = 1024 * 1024


class Kind(IntEnum):
    """What a record is."""

    FRAME = 1
    CLOCK = 2
    GAP = 3
    MUTED = 4
    UNMUTED = 5
    NOTE = 16


class Codec(IntEnum):
    """Of a frame."""

    NONE = 0
    OPUS = 1
    VP8 = 2
    VP9 = 3
    H264 = 4
    AV1 = 5


KEY_FRAME = 1
AFTER_LOSS = 2
# Quarter turns, clockwise, that a picture needs to stand upright (3GPP TS 26.114 §7.4.5): two bits.
TURNS_SHIFT = 2


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record; ``end`` is where it ends in the journal."""

    kind: int
    codec: int = 0
    flags: int = 0
    layer: int = 0
    generation: int = 0
    at_us: int
    rtp: int = 0
    clock_rate: int = 0
    payload: bytes = b""
    end: int = 0


def encode(record: Record) -> bytes:
    """The bytes of a record."""
    header = _HEADER.pack(
        MAGIC,
        0,
        len(record.payload),
        record.kind,
        record.codec,
        record.flags,
        record.layer,
        record.generation,
        record.at_us,
        record.rtp,
        record.clock_rate,
    )
    checked = header[_CHECKED_FROM:] + record.payload
    return header[:4] + zlib.crc32(checked).to_bytes(4, "little") + checked


def encode_note(at_us: int, payload: bytes) -> bytes:
    """A note of the events journal."""
    return encode(Record(kind=Kind.NOTE, at_us=at_us, payload=payload))


def scan(file: BinaryIO, base: int = 0) -> Iterator[Record]:
    """Every record that is whole, in the order of the file; what is damaged is passed over. OSError of the disk.

    ``base`` is where the file stands, for `Record.end`. Memory: two records of the greatest length.
    """
    buffer, at, ended = b"", 0, False
    wanted = _PIECE
    while True:
        while not ended and len(buffer) - at < wanted:
            piece = file.read(max(_PIECE, wanted - len(buffer) + at))
            ended = not piece
            buffer, base, at = buffer[at:] + piece, base + at, 0
        wanted = _HEADER.size
        if at >= len(buffer):
            return
        length = _length(buffer, at)
        if length is not None and at + length > len(buffer) and not ended:
            wanted = length
            continue
        record = None if length is None else _read(buffer, at, length, base)
        if record is not None:
            at = record.end - base
            yield record
            continue
        found = buffer.find(_MAGIC_BYTES, at + 1)
        if found < 0:  # the beginning of the magic may be all that is here of it
            found = len(buffer) if ended else max(at + 1, len(buffer) - len(_MAGIC_BYTES) + 1)
        at = found


def _length(buffer: bytes, at: int) -> int | None:
    """Of the record that begins here, header and payload; None when none does."""
    if len(buffer) - at < _HEADER.size:
        return None
    magic, _, length, *_ = _HEADER.unpack_from(buffer, at)
    return _HEADER.size + length if magic == MAGIC and length <= MAX_PAYLOAD else None


def _read(buffer: bytes, at: int, length: int, base: int) -> Record | None:
    end = at + length
    if end > len(buffer):
        return None
    _, crc, _, kind, codec, flags, layer, generation, at_us, rtp, clock_rate = _HEADER.unpack_from(buffer, at)
    if zlib.crc32(memoryview(buffer)[at + _CHECKED_FROM : end]) != crc:
        return None
    return Record(
        kind=kind,
        codec=codec,
        flags=flags,
        layer=layer,
        generation=generation,
        at_us=at_us,
        rtp=rtp,
        clock_rate=clock_rate,
        payload=buffer[at + _HEADER.size : end],
        end=base + end,
    )
