"""Encoded frames into containers, as they are.

Owns what FFmpeg needs to know before the first packet: sizes and codec headers, which it finds itself in a key frame
that stands in a small file of its own. Refuses to decode or to know times.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from appliance.recorder.journal import Codec

MICROSECONDS = Fraction(1, 1_000_000)
NAMES: dict[int, str] = {Codec.OPUS: "opus", Codec.VP8: "vp8", Codec.VP9: "vp9", Codec.H264: "h264", Codec.AV1: "av1"}
# https://wiki.multimedia.cx/index.php/Duck_IVF
_FOURCC: dict[int, bytes] = {Codec.VP8: b"VP80", Codec.VP9: b"VP90", Codec.AV1: b"AV01"}
# av1-spec §5.3.1: an OBU of type 2 with a size field of 0.
_TEMPORAL_DELIMITER = b"\x12\x00"


class MuxingError(Exception):
    """FFmpeg finds no picture in what should be a key frame, or cannot write."""


@contextmanager
def template_of(codec: int, key_frame: bytes) -> Iterator[VideoStream]:
    """A stream like the one that this key frame begins, for `add_video`. MuxingError."""
    try:
        if codec == Codec.H264:
            source = av.open(io.BytesIO(key_frame), format="h264")
        else:
            source = av.open(io.BytesIO(_ivf(codec, key_frame)), format="ivf")
        with source:
            stream = source.streams.video[0]
            if not stream.width or not stream.height:
                raise MuxingError("a key frame without a size")
            yield stream
    except (av.FFmpegError, IndexError) as error:
        raise MuxingError(f"a key frame that cannot be read: {error}") from error


def add_video(container: OutputContainer, template: VideoStream) -> VideoStream:
    """A stream that takes frames like the template's, not encoded again."""
    # As "opaque", which takes the decoder for the encoder: AV1's have different names and nothing is encoded anyway.
    return container.add_stream_from_template(template, opaque=True)


def packet_of(stream: Stream, payload: bytes, pts: int, time_base: Fraction, *, is_key: bool = True) -> Packet[Stream]:
    """One frame for ``container.mux``; decoding time is showing time."""
    packet: Packet[Stream] = Packet(payload)
    packet.stream = stream
    packet.pts = packet.dts = pts
    packet.time_base = time_base
    packet.is_keyframe = is_key
    return packet


def _ivf(codec: int, frame: bytes) -> bytes:
    """A file of one frame. The size is left to the frame itself."""
    fourcc = _FOURCC.get(codec)
    if fourcc is None:
        raise MuxingError(f"no video codec has the number {codec}")
    if codec == Codec.AV1:
        frame = _TEMPORAL_DELIMITER + frame
    header = struct.pack("<4sHH4sHHIIII", b"DKIF", 0, 32, fourcc, 0, 0, 1000, 1, 1, 0)
    return header + struct.pack("<IQ", len(frame), 0) + frame
