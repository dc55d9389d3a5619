"""The film's sound, encoded, while the rest of the film is made: packets in a file that is read along.

Owns the encoder's settings, which the film's container asks for again, and the file: records of the journal's form.

Rejected: a container of its own. MP4 holds 73 bytes a packet in memory until it is closed, 50 MB in four hours, and as
many again when it is read; Matroska counts in milliseconds.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import av
from av.audio.codeccontext import AudioCodecContext
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream

from appliance.recorder.composed import Format
from appliance.recorder.journal import Codec, Kind, Record, encode, scan
from appliance.recorder.sound import RATE

TIME_BASE = Fraction(1, RATE)
# Speech with what a shared film may have; per channel.
_BITRATE_BPS = 80_000
_ENCODERS: dict[Format, str] = {"mp4": "aac", "webm": "libopus"}


def layout_of(channels: int) -> str:
    """FFmpeg's name."""
    return "stereo" if channels == 2 else "mono"


def sound_encoder(kind: Format, channels: int) -> AudioCodecContext:
    """AAC for MP4, Opus for WebM; counts samples. av.FFmpegError."""
    encoder = av.CodecContext.create(_ENCODERS[kind], "w")
    assert isinstance(encoder, AudioCodecContext)
    formats = encoder.codec.audio_formats
    assert formats
    encoder.sample_rate, encoder.layout, encoder.format = RATE, layout_of(channels), formats[0]
    encoder.time_base = TIME_BASE
    encoder.bit_rate = _BITRATE_BPS * channels
    return encoder


def add_sound(container: OutputContainer, kind: Format, channels: int) -> AudioStream:
    """A stream that takes the packets of `sound_encoder`."""
    stream = container.add_stream(_ENCODERS[kind], rate=RATE, layout=layout_of(channels))
    assert isinstance(stream, AudioStream)
    stream.bit_rate = _BITRATE_BPS * channels
    return stream


def write_packet(file: BinaryIO, packet: Packet[AudioStream]) -> None:
    """In the order in which the encoder gives them; the first ones may be from before zero. OSError."""
    assert packet.pts is not None
    record = Record(
        kind=Kind.FRAME,
        codec=Codec.NONE,
        at_us=packet.duration or 0,  # in samples, as its time
        rtp=packet.pts,
        clock_rate=RATE,
        payload=bytes(packet),
    )
    file.write(encode(record))


def read_packets(path: Path) -> Iterator[Packet[Stream]]:
    """The packets of a file, for no stream yet. OSError."""
    with path.open("rb") as file:
        for record in scan(file):
            packet: Packet[Stream] = Packet(record.payload)
            packet.pts = packet.dts = record.rtp
            packet.duration = record.at_us
            packet.time_base = TIME_BASE
            packet.is_keyframe = True
            yield packet
