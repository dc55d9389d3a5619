"""Which encoder makes the film: the graphics card's when there is one, and it works.

Owns the order in which they are tried and their settings. Whether one is there is known only by using it: each gets a
few pictures first, and what it answered is said in the log.

Only those are here that take pictures from memory. VA-API and Vulkan encode what is on the card already, and PyAV's
FFmpeg has neither.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import av
import numpy as np
from av.codec.context import Flags
from av.video.codeccontext import VideoCodecContext
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc

from appliance.recorder.composed import Format
from appliance.recorder.journal import Codec

# A seek lands on a key frame, and a killed process goes on from one.
_KEY_EACH_S = 10
_TRIED_PICTURES = 3


@dataclass(frozen=True, slots=True)
class _Settings:
    codec: Codec
    options: dict[str, str]
    pixels: str = "yuv420p"
    """One of the formats that it takes; pictures are painted in yuv420p, and PyAV converts them."""


# Faces and slides at a quality at which nobody looks for faults; the rate follows from the picture.
_H264: dict[str, _Settings] = {
    "h264_nvenc": _Settings(Codec.H264, {"preset": "p4", "rc": "vbr", "cq": "26", "b": "0", "forced-idr": "1"}),
    "h264_qsv": _Settings(Codec.H264, {"preset": "veryfast", "global_quality": "25"}, pixels="nv12"),
    "h264_amf": _Settings(Codec.H264, {"usage": "transcoding", "rc": "cqp", "qp_i": "24", "qp_p": "26"}),
    # superfast with the one thing of veryfast that pays, and without what does not: 6.0 ms for a picture of four people
    # at 0.38 Mb/s and 41.1 dB; veryfast 10.6 ms, 0.32 Mb/s, 41.7 dB; superfast 7.8 ms, 0.87 Mb/s, 43.4 dB (720p, one
    # core of 2.5 GHz, the pictures of tests/load/compose.py).
    "libx264": _Settings(
        Codec.H264,
        {
            "preset": "superfast",
            "crf": "23",
            "x264-params": "mbtree=1:rc-lookahead=6:weightp=0:bframes=1:b-adapt=0:subme=0",
        },
    ),
}
_VP9: dict[str, _Settings] = {
    "libvpx-vp9": _Settings(
        Codec.VP9,
        {"deadline": "realtime", "cpu-used": "8", "row-mt": "1", "crf": "34", "b": "0", "lag-in-frames": "0"},
    ),
}
_OF_FORMAT: dict[Format, dict[str, _Settings]] = {"mp4": _H264, "webm": _VP9}
CANDIDATES: tuple[tuple[Format, str], ...] = tuple((kind, name) for kind, known in _OF_FORMAT.items() for name in known)
"""All that may be chosen, in the order in which they are tried."""


class EncoderError(Exception):
    """None of the encoders works; the text says what each answered."""


@dataclass(frozen=True, slots=True)
class Chosen:
    """An encoder that works here."""

    name: str
    codec: Codec
    refused: tuple[str, ...]
    """What the ones before it answered."""


def choose(wanted: str, kind: Format, width: int, height: int, fps: int) -> Chosen:
    """The first that works: of all for ``auto``, else the wanted one before the software's. EncoderError."""
    known = _OF_FORMAT[kind]
    software = list(known)[-1]
    names = list(known) if wanted == "auto" else [wanted, software]
    refused = []
    for name in dict.fromkeys(names):
        settings = known.get(name)
        if settings is None:
            refused.append(f"{name}: not one for {kind}")
            continue
        try:
            _try(name, kind, width, height, fps)
        except (av.FFmpegError, ValueError) as error:  # ValueError: not in this FFmpeg
            refused.append(f"{name}: {error}")
            continue
        return Chosen(name, settings.codec, tuple(refused))
    raise EncoderError("; ".join(refused))


def open_encoder(name: str, kind: Format, width: int, height: int, fps: int, *, threads: int) -> VideoCodecContext:
    """One of `choose`'s, that counts pictures in ``1 / fps``. av.FFmpegError, ValueError."""
    encoder = av.CodecContext.create(name, "w")
    if not isinstance(encoder, VideoCodecContext):
        raise ValueError(f"{name} encodes no video")
    settings = _OF_FORMAT[kind][name]
    encoder.width, encoder.height = width, height
    encoder.pix_fmt = settings.pixels
    encoder.time_base = Fraction(1, fps)
    encoder.framerate = Fraction(fps)
    encoder.gop_size = _KEY_EACH_S * fps
    encoder.thread_count = threads
    encoder.flags |= Flags.closed_gop
    encoder.colorspace = Colorspace.SMPTE170M  # as `picture` has it
    encoder.color_range = ColorRange.MPEG
    encoder.color_primaries = ColorPrimaries.BT709
    encoder.color_trc = ColorTrc.BT709
    encoder.options = dict(settings.options)
    return encoder


def _try(name: str, kind: Format, width: int, height: int, fps: int) -> None:
    encoder = open_encoder(name, kind, width, height, fps, threads=1)
    grey = np.full((height * 3 // 2, width), 128, np.uint8)
    packets = []
    for number in range(_TRIED_PICTURES):
        frame = av.VideoFrame.from_numpy_buffer(grey, format="yuv420p")
        frame.pts = number
        packets += encoder.encode(frame)
    packets += encoder.encode(None)
    if len(packets) != _TRIED_PICTURES:
        raise ValueError(f"gave {len(packets)} of {_TRIED_PICTURES} pictures back")
