"""A picture or film from a stranger, decoded in a process of its own: `probe` starts it.

    python probe_process.py image:JPEG | av:mov  <file  >findings

The file is stdin. The findings are one line of JSON and a thumbnail's bytes behind it: ``media_type`` when it is
another one than the magic number said, ``width``, ``height``, ``duration_ms``; or ``problem``, a sentence. Owns the
decoders and the bounds of the process; imports nothing of ours, and a crash in FFmpeg ends nothing else.

Only the one format that was recognised is tried, read through a Python object, and further files are never opened: a
playlist that calls itself a film finds no demuxer that would follow it.
"""

from __future__ import annotations

import io
import json
import os
import resource
import struct
import sys
from typing import Any, BinaryIO

# The largest tile of a list of files has 160 CSS pixels; twice that for dense screens.
THUMBNAIL_SIZE = 320
# As for avatars: a present telephone's photograph, 200 MB while it is decoded.
MAX_PIXELS = 50_000_000
# Of address space: the libraries take 0.4 GB, a picture of the above twice.
MAX_MEMORY_BYTES = 2 * 1024**3
MAX_CPU_S = 20
# A film shows something by a tenth of its length, at most a minute in.
_SHOW_AT_SHARE = 0.1
_SHOW_AT_MOST_US = 60_000_000
# Packets to look at for one frame that decodes; the first key frame is within the first seconds.
_MAX_PACKETS = 600


class RejectedError(Exception):
    """The file is broken or too large to look at; ``str()`` says how."""


def main(decoder: str) -> int:
    """Look at stdin; 0 with the findings on stdout."""
    _bound_ourselves()
    library, _, name = decoder.partition(":")
    with open(0, "rb", closefd=False) as source:
        try:
            findings, thumbnail = look_at_picture(source, name) if library == "image" else look_at_film(source, name)
        except RejectedError as error:
            findings, thumbnail = {"problem": str(error)}, b""
    sys.stdout.buffer.write(json.dumps(findings).encode() + b"\n" + thumbnail)
    return 0


def _bound_ourselves() -> None:
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY_BYTES, MAX_MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_S, MAX_CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def look_at_picture(source: BinaryIO, name: str) -> tuple[dict[str, Any], bytes]:
    """A picture of Pillow's format ``name``."""
    from PIL import Image, ImageOps

    Image.MAX_IMAGE_PIXELS = None  # our own bound is checked before a pixel is decoded
    try:
        with Image.open(source, formats=(name,)) as picture:
            _check_pixels(*picture.size)
            width, height = picture.size
            if picture.getexif().get(0x0112, 1) in (5, 6, 7, 8):  # Exif: Orientation, turned by a quarter
                width, height = height, width
            picture.draft("RGB", (2 * THUMBNAIL_SIZE, 2 * THUMBNAIL_SIZE))
            picture.load()
            upright = ImageOps.exif_transpose(picture)
            return {"width": width, "height": height}, _thumbnail(upright)
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, MemoryError) as error:
        raise RejectedError(f"the picture is broken or cut short ({type(error).__name__})") from error


def look_at_film(source: BinaryIO, name: str) -> tuple[dict[str, Any], bytes]:
    """A film or sound in FFmpeg's format ``name``."""
    import av

    if name == "mov":
        check_boxes(source)
    try:
        with av.open(source, "r", format=name, io_open=_no_further_file, metadata_errors="replace") as container:
            return _look_inside(container, name)
    except (OSError, ValueError, ArithmeticError, MemoryError, LookupError) as error:  # av.FFmpegError is one of them
        raise RejectedError(f"the recording is broken or cut short ({type(error).__name__})") from error


def _no_further_file(*_: object) -> Any:
    raise PermissionError("a file must not name other files")


def _look_inside(container: Any, name: str) -> tuple[dict[str, Any], bytes]:
    films = [stream for stream in container.streams.video if "attached_pic" not in str(stream.disposition)]
    sounds = list(container.streams.audio)
    if not films and not sounds:
        raise RejectedError("the recording holds neither picture nor sound")
    findings: dict[str, Any] = {"duration_ms": _duration_ms(container)}
    if not films:
        _first_frame(container, sounds[0])
        types = {"mov": "audio/mp4", "matroska": "audio/webm", "avi": "audio/x-msvideo"}
        if name in types:
            findings["media_type"] = types[name]
        return findings, b""
    stream = films[0]
    _check_pixels(stream.codec_context.width, stream.codec_context.height)
    if name == "ogg":
        findings["media_type"] = "video/ogg"
    frame = _frame_to_show(container, stream)
    picture = frame.to_image()
    turned = getattr(frame, "rotation", 0) or 0
    if turned % 360:
        picture = picture.rotate(turned, expand=True)
    findings["width"], findings["height"] = picture.size
    return findings, _thumbnail(picture)


def _duration_ms(container: Any) -> int | None:
    """None for a recording that was never closed, as browsers make them."""
    found = container.duration
    return max(0, int(found) // 1000) if found is not None else None


def _frame_to_show(container: Any, stream: Any) -> Any:
    """A key frame some way in, else the first one."""
    duration = container.duration
    if duration and duration > 0:
        try:
            container.seek(int(min(duration * _SHOW_AT_SHARE, _SHOW_AT_MOST_US)))
            return _first_frame(container, stream)
        except (OSError, ValueError, RejectedError):
            container.seek(0)
    return _first_frame(container, stream)


def _first_frame(container: Any, stream: Any) -> Any:
    stream.codec_context.thread_count = 1
    for number, packet in enumerate(container.demux(stream)):
        try:
            for frame in packet.decode():
                return frame
        except (OSError, ValueError):
            pass  # av.InvalidDataError: the next one may be whole
        if number > _MAX_PACKETS:
            break
    raise RejectedError("nothing of the recording can be decoded")


def check_boxes(source: BinaryIO) -> None:
    """ISO 14496-12 §4.2: boxes follow each other to the end of the file; one that ends beyond it was cut short."""
    end = source.seek(0, os.SEEK_END)
    at = 0
    while at < end:
        source.seek(at)
        header = source.read(16)
        if len(header) < 8:
            raise RejectedError(f"the recording is cut short: it ends in the middle of a box, at byte {end}")
        size = int.from_bytes(header[:4], "big")
        if size == 0:  # to the end of the file
            break
        if size == 1:
            size = int.from_bytes(header[8:16], "big")
        if size < 8:
            raise RejectedError(f"the recording is broken: a box of {size} bytes at byte {at}")
        at += size
    if at > end:
        raise RejectedError(f"the recording is cut short: it should have {at} bytes and has {end}")
    source.seek(0)


def _check_pixels(width: int, height: int) -> None:
    if width < 1 or height < 1 or width * height > MAX_PIXELS:
        most = f"at most {MAX_PIXELS // 1_000_000} million are taken"
        raise RejectedError(f"the picture has {width}×{height} pixels; {most}")


def _thumbnail(picture: Any) -> bytes:
    """A small WebP, drawn anew: no metadata, and no second format behind the first."""
    from PIL import Image

    small = picture.convert("RGBA")
    small.thumbnail((THUMBNAIL_SIZE, THUMBNAIL_SIZE), Image.Resampling.LANCZOS)
    clean = Image.new("RGBA", small.size)
    clean.paste(small)
    out = io.BytesIO()
    clean.save(out, "WEBP", quality=80, method=4)
    return out.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
