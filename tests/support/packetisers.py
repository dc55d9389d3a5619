"""Frames cut into RTP payloads as browsers do it, written from the RFCs alone and not with the data plane's code; and
as FFmpeg does it.

Frames come as encoders give them (of AV1 without temporal delimiters); what a receiver puts together again is the same.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction
from itertools import pairwise

import av

MOST = 400
"""Bytes of a payload. Browsers' have up to 1200; the small pictures of tests are to be of several packets."""

Cutter = Callable[[bytes, bool, int], list[bytes]]
"""(frame, whether it is a key frame, its number) → payloads."""


def _pieces(data: bytes, most: int) -> list[bytes]:
    """Of about one size, as libwebrtc cuts."""
    count = max(1, -(-len(data) // most))
    cuts = [len(data) * n // count for n in range(count + 1)]
    return [data[first:last] for first, last in pairwise(cuts)]


def vp8(frame: bytes, key: bool, number: int) -> list[bytes]:
    """RFC 7741 §4.2: X, S; I, L, T; 15 bits of picture id, TL0PICIDX, TID 0."""
    descriptor = bytes([0xE0, 0x80 | number >> 8 & 0x7F, number & 0xFF, number & 0xFF, 0])
    pieces = _pieces(frame, MOST - 6)
    return [bytes([0x80 | (index == 0) << 4]) + descriptor + piece for index, piece in enumerate(pieces)]


def vp9(frame: bytes, key: bool, number: int) -> list[bytes]:
    """RFC 9628 §4.2, not flexible, one spatial layer."""
    return vp9_layers([frame], [(320, 180)], key, number)


def vp9_layers(layers: list[bytes], sizes: list[tuple[int, int]], key: bool, number: int) -> list[bytes]:
    """RFC 9628 §4.2, not flexible: the frames of the spatial layers of one picture, lowest first."""
    payloads = []
    for spatial, layer in enumerate(layers):
        pieces = _pieces(layer, MOST - 24)
        for index, piece in enumerate(pieces):
            begins, ends, inter = index == 0, index + 1 == len(pieces), not key
            scalable = key and begins and spatial == 0
            # I, L always; P, B, E, V
            flags = 0xA0 | inter << 6 | begins << 3 | ends << 2 | scalable << 1
            head = bytes([flags, 0x80 | number >> 8 & 0x7F, number & 0xFF])
            head += bytes([spatial << 1 | (spatial > 0), number & 0xFF])  # TID, U, SID, D; TL0PICIDX
            if scalable:  # N_S, Y, without G
                head += bytes([len(layers) - 1 << 5 | 0x10])
                head += b"".join(side.to_bytes(2) for size in sizes for side in size)
            payloads.append(head + piece)
    return payloads


def nal_units(frame: bytes) -> list[bytes]:
    """H.264 annex B without its start codes."""
    return [unit.rstrip(b"\0") for unit in frame.split(b"\0\0\1")[1:]]


def h264(frame: bytes, key: bool, number: int) -> list[bytes]:
    """RFC 6184, packetization mode 1: STAP-A (§5.7.1) of what is small, FU-A (§5.8) of what is large."""
    payloads: list[bytes] = []
    small: list[bytes] = []

    def flush() -> None:
        if len(small) == 1:
            payloads.append(small[0])
        elif small:
            nri = max(unit[0] & 0x60 for unit in small)
            payloads.append(bytes([nri | 24]) + b"".join(len(unit).to_bytes(2) + unit for unit in small))
        small.clear()

    for unit in nal_units(frame):
        if len(unit) <= MOST:
            if sum(len(other) + 2 for other in small) + len(unit) + 3 > MOST:
                flush()
            small.append(unit)
            continue
        flush()
        pieces = _pieces(unit[1:], MOST - 2)
        for index, piece in enumerate(pieces):
            fragment = (index == 0) << 7 | (index + 1 == len(pieces)) << 6 | unit[0] & 0x1F
            payloads.append(bytes([unit[0] & 0xE0 | 28, fragment]) + piece)
    flush()
    return payloads


def _leb128(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


def obus(frame: bytes) -> Iterator[bytes]:
    """AV1 §5.3: the open bitstream units of a temporal unit, without their sizes."""
    at = 0
    while at < len(frame):
        header, head = frame[at], 2 if frame[at] & 4 else 1
        assert header & 2, "an OBU without size"
        size, shift, behind = 0, 0, at + head
        while True:
            byte = frame[behind]
            size, shift, behind = size | (byte & 0x7F) << shift, shift + 7, behind + 1
            if not byte & 0x80:
                break
        yield bytes([header & ~2]) + frame[at + 1 : at + head] + frame[behind : behind + size]
        at = behind + size


def av1(frame: bytes, key: bool, number: int) -> list[bytes]:
    """RTP payload format for AV1 §4.4: up to three elements in a packet, the last without its length (W)."""
    payloads: list[bytes] = []
    elements: list[bytes] = []
    continues = False

    def flush(goes_on: bool) -> None:
        nonlocal continues
        new = key and not payloads  # N: a coded video sequence begins
        head = bytes([continues << 7 | goes_on << 6 | len(elements) << 4 | new << 3])
        payloads.append(head + b"".join(_leb128(len(e)) + e for e in elements[:-1]) + elements[-1])
        elements.clear()
        continues = goes_on

    for obu in obus(frame):
        if obu[0] >> 3 & 15 == 2:  # a temporal delimiter is not sent (§5)
            continue
        room = MOST - sum(len(element) + 3 for element in elements)
        while len(obu) > room - 3 or len(elements) == 3:
            if len(elements) < 3 and room > 100:
                elements.append(obu[: room - 3])
                obu = obu[room - 3 :]
                flush(True)
            else:
                flush(False)
            room = MOST
        elements.append(obu)
    flush(False)
    return payloads


def by_ffmpeg(
    encoder: str, frames: Iterable[tuple[bool, bytes]], width: int, height: int, fps: int
) -> list[list[bytes]]:
    """The payloads of each frame as FFmpeg's RTP muxer cuts them; ``encoder``: FFmpeg's name of one for the codec.

    Not of VP9: FFmpeg 8 leaves the bit out that tells key frames from others (P, RFC 9628 §4.2).
    """
    found: list[list[bytes]] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(5.0)
        url = f"rtp://127.0.0.1:{receiver.getsockname()[1]}?pkt_size={MOST + 12}"
        with av.open(url, "w", format="rtp", options={"strict": "experimental"}) as container:
            stream = container.add_stream(encoder, rate=fps)
            assert isinstance(stream, av.VideoStream)
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for number, (key, frame) in enumerate(frames):
                packet = av.Packet(frame)
                packet.stream, packet.time_base, packet.is_keyframe = stream, Fraction(1, fps), key
                packet.pts = packet.dts = number
                container.mux(packet)
                payloads: list[bytes] = []
                marked = False
                while not marked:
                    rtp = receiver.recv(2048)
                    assert rtp[0] == 0x80, "a header of 12 bytes"
                    if not 72 <= rtp[1] & 0x7F <= 76:  # RTCP, RFC 5761 §4
                        payloads.append(rtp[12:])
                        marked = bool(rtp[1] & 0x80)
                found.append(payloads)
    return found
