"""One video track as pictures: which one is seen at a moment.

Owns the decoder. A frame that cannot be decoded takes the picture away until the next key frame, and costs nobody else
anything; a frame after a loss leaves the last one standing, as it did in the meeting. Only one picture is kept.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence

import av
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext

from appliance.recorder.frames import Frame
from appliance.recorder.journal import Codec
from appliance.recorder.muxing import MICROSECONDS

# libvpx takes superframes of scalable VP9 for one picture; FFmpeg's own decoder shows each layer.
_DECODERS: dict[int, str] = {Codec.VP8: "vp8", Codec.VP9: "libvpx-vp9", Codec.H264: "h264", Codec.AV1: "libdav1d"}
# A screen of 4096 × 2304 and a little more; a stranger's header may claim 65536 × 65536, which is 6 GB.
MOST_PIXELS = 10_000_000
# A track that was not seen for longer is decoded from a later key frame on, if there is one.
_WORTH_A_SEEK_US = 1_000_000

ReadFrom = Callable[[int], Iterator[Frame]]
"""The frames of a journal from an offset on, 0 being its beginning."""


class Pictures:
    """The pictures of one track, asked for in order of time."""

    def __init__(self, read_from: ReadFrom, keys: Sequence[tuple[int, int]]) -> None:
        """``keys``: (shown time, offset) of key frames, in order."""
        self._read_from = read_from
        self._key_times = [at_us for at_us, _ in keys]
        self._key_offsets = [offset for _, offset in keys]
        self._frames: Iterator[Frame] | None = None
        self._pending: Frame | None = None
        self._codec = Codec.NONE
        self._decoder: VideoCodecContext | None = None
        self._at_us = 0
        self.picture: av.VideoFrame | None = None
        self.turns = 0
        """Quarter turns, clockwise, after which it stands upright."""
        self.number = 0
        """Another one with each picture, and when it is taken away."""
        self.broken = 0
        """Frames that could not be decoded."""

    def advance(self, at_us: int) -> None:
        """Go on to what is seen then. OSError of the disk."""
        if self._frames is None or at_us - self._at_us > _WORTH_A_SEEK_US:
            self._seek(at_us)
        self._at_us = at_us
        while self._pending is not None and self._pending.at_us <= at_us:
            self._decode(self._pending)
            self._pending = next(self._frames, None) if self._frames is not None else None

    def _seek(self, at_us: int) -> None:
        key = bisect_right(self._key_times, at_us) - 1
        if self._frames is not None and (key < 0 or self._key_times[key] <= self._at_us):
            return
        self._frames = self._read_from(self._key_offsets[key] if key >= 0 else 0)
        self._pending = next(self._frames, None)
        self._decoder = None

    def _decode(self, frame: Frame) -> None:
        if frame.codec not in _DECODERS:
            return
        if frame.is_key and (self._decoder is None or frame.codec != self._codec):
            self._codec = Codec(frame.codec)
            self._decoder = _decoder(self._codec)
        elif frame.after_loss or frame.codec != self._codec:
            self._decoder = None
        if self._decoder is None:
            return
        packet = av.Packet(frame.payload)
        packet.pts = packet.dts = frame.at_us
        packet.time_base = MICROSECONDS
        try:
            if frame.is_key and self._codec == Codec.VP9:
                check_vp9_size(frame.payload)
            shown = self._decoder.decode(packet)
            if shown and (shown[-1].is_corrupt or shown[-1].width * shown[-1].height > MOST_PIXELS):
                raise ValueError("a picture that cannot be shown")
        except (av.FFmpegError, ValueError):
            self.broken += 1
            self._decoder = None
            self.picture = None
            self.number += 1
            return
        if shown:
            self.picture = shown[-1]
            self.turns = frame.turns
            self.number += 1


def _decoder(codec: Codec) -> VideoCodecContext:
    decoder = av.CodecContext.create(_DECODERS[codec], "r")
    assert isinstance(decoder, VideoCodecContext)
    decoder.thread_count = 1  # one picture in, one out; there are other tracks to keep a second core busy
    decoder.flags |= Flags.low_delay
    decoder.options = {"max_pixels": str(MOST_PIXELS)}
    return decoder


def check_vp9_size(payload: bytes) -> None:
    """ValueError when a VP9 key frame is larger than we decode: libvpx believes what it says.

    VP9 bitstream specification §6.2: uncompressed header.
    """
    bits = int.from_bytes(payload[:12].ljust(12, b"\0"))
    at = 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return bits >> (96 - at) & ((1 << count) - 1)

    take(2)
    profile = take(1) | take(1) << 1
    if profile == 3:
        take(1)
    if take(1):  # an existing frame is shown
        return
    key = take(1) == 0
    take(2)
    if not key:
        return
    take(24)
    if profile >= 2:
        take(1)
    colour_space = take(3)
    if colour_space != 7:
        take(1 if profile in (0, 2) else 4)
    elif profile in (1, 3):
        take(1 + 0)
    width, height = take(16) + 1, take(16) + 1
    if width * height > MOST_PIXELS:
        raise ValueError(f"a picture of {width} × {height}")
