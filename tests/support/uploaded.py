"""Files as people upload them, made small: pictures, films and sound that real encoders wrote."""

from __future__ import annotations

import io
import struct
import zlib
from functools import cache
from typing import Any

import av
from PIL import Image


@cache
def picture(format: str = "PNG", size: tuple[int, int] = (640, 480), **options: Any) -> bytes:
    """A picture: red on the left, blue on the right."""
    out = io.BytesIO()
    drawn = Image.new("RGB", size, "red")
    drawn.paste((0, 0, 255), (size[0] // 2, 0, *size))
    drawn.save(out, format, **options)
    return out.getvalue()


def turned_picture() -> bytes:
    """A JPEG that is to be seen on its side (Exif)."""
    exif = Image.Exif()
    exif[0x0112] = 6
    out = io.BytesIO()
    Image.new("RGB", (640, 480), "red").save(out, "JPEG", exif=exif)
    return out.getvalue()


def immense_picture() -> bytes:
    """A PNG of few bytes that says it has 60,000 × 60,000 pixels."""
    content = bytearray(picture("PNG", (1, 1)))
    content[16:24] = struct.pack(">II", 60_000, 60_000)
    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    return bytes(content)


@cache
def film(format: str = "mp4", *, seconds: float = 2.0, sound: bool = False) -> bytes:
    """A film of 320×180 pixels that is blue, then green; ``format``: mp4, mov, webm, matroska, ogg or avi."""
    size = (320, 180)
    out = io.BytesIO()
    with av.open(out, "w", format=format) as container:
        codec = {"webm": "libvpx", "ogg": "libtheora"}.get(format, "mpeg4")
        stream: Any = container.add_stream(codec, rate=10)
        stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
        speaker: Any = container.add_stream("libopus" if format == "webm" else "aac", rate=48_000) if sound else None
        count = int(seconds * 10)
        for number in range(count):
            colour = "blue" if number < count / 20 else "green"
            frame: Any = av.VideoFrame.from_image(Image.new("RGB", size, colour))
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if speaker is not None:
            _silence(container, speaker, seconds)
    return out.getvalue()


@cache
def sound(format: str = "wav", *, seconds: float = 1.0) -> bytes:
    """Silence; ``format``: wav, mp3, flac, ogg, mp4, webm or adts."""
    codecs = {"wav": "pcm_s16le", "mp3": "libmp3lame", "flac": "flac", "ogg": "libopus", "webm": "libopus"}
    codec = codecs.get(format, "aac")
    out = io.BytesIO()
    with av.open(out, "w", format=format) as container:
        stream: Any = container.add_stream(codec, rate=48_000)
        _silence(container, stream, seconds)
    return out.getvalue()


def _silence(container: Any, stream: Any, seconds: float) -> None:
    samples = stream.codec_context.frame_size or 1024
    resampler = av.AudioResampler(format=stream.codec_context.format, layout="stereo", rate=48_000, frame_size=samples)
    frame = av.AudioFrame(format="s16", layout="stereo", samples=int(48_000 * seconds))
    frame.sample_rate, frame.pts = 48_000, 0
    for plane in frame.planes:
        plane.update(bytes(plane.buffer_size))
    for part in [*resampler.resample(frame), *resampler.resample(None)]:
        container.mux(stream.encode(part))
    container.mux(stream.encode(None))
