"""Pictures, sound, captions and chapters into the film's container.

Owns the order of packets, and the thumbnail. Nothing is encoded here; both inputs are read along, so that memory does
not grow with the film.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import TypeAlias

import av
from av.container import OutputContainer
from av.packet import Packet
from av.stream import Stream
from PIL import Image

from appliance.recorder.captions import Caption, mov_text, samples
from appliance.recorder.composed import ComposedChapter, Format
from appliance.recorder.journal import Codec
from appliance.recorder.muxing import MuxingError, add_video, template_of
from appliance.recorder.segments import Encoded, read_pictures
from appliance.recorder.soundtrack import TIME_BASE, add_sound, read_packets

_MILLISECONDS = Fraction(1, 1000)
# A player draws it 320 points wide, on screens with two pixels to the point.
_THUMBNAIL_WIDTH = 640
_JPEG_QUALITY = 82

_Timed: TypeAlias = "tuple[float, int, Packet[Stream]]"
"""(seconds, which input, packet): in the order in which they are written."""


def join(
    path: Path,
    *,
    kind: Format,
    codec: Codec,
    segments: Sequence[Path],
    fps: int,
    sound: Path | None,
    channels: int,
    captions: Sequence[Caption],
    chapters: Sequence[ComposedChapter],
    title: str,
    duration_ms: int,
    report: Callable[[int], None],
) -> None:
    """Write the film; ``report`` is told the number of each picture. MuxingError, OSError."""
    first = next(_encoded(segments), None)
    if first is None:
        raise MuxingError("a film without a picture")
    # faststart: the index goes to the front, so that a player begins before it has all.
    options = {"movflags": "+faststart"} if kind == "mp4" else {"cues_to_front": "1"}
    try:
        with av.open(path, "w", format=kind, container_options=options) as film:
            film.metadata["title"] = title
            with template_of(codec, first.payload) as template:
                video = add_video(film, template)
                inputs: list[Iterator[_Timed]] = []
                audio = None if sound is None else add_sound(film, kind, channels)
                text = film.add_mux_stream("mov_text" if kind == "mp4" else "webvtt") if captions else None
                film.set_chapters([_chapter(n, chapters, duration_ms) for n in range(len(chapters))])
                inputs.append(_pictures(segments, video, Fraction(1, fps), report))
                if sound is not None and audio is not None:
                    inputs.append(_sound(sound, audio))
                if text is not None:
                    text.time_base = _MILLISECONDS
                    inputs.append(_words(captions, text, kind))
                _mux(film, inputs)
    except av.FFmpegError as error:
        raise MuxingError(f"{path.name}: {error}") from error


def write_thumbnail(film: Path, path: Path, at_us: int) -> None:
    """A JPEG of what is seen then. MuxingError, OSError."""
    try:
        with av.open(film) as container:
            container.seek(at_us)  # to the key frame before it
            frame = None
            for following in container.decode(video=0):
                if frame is not None and following.time * 1_000_000 > at_us:
                    break
                frame = following
            if frame is None:
                raise MuxingError(f"{film.name}: no picture for a thumbnail")
            height = frame.height * _THUMBNAIL_WIDTH // frame.width // 2 * 2
            pixels = frame.to_ndarray(format="rgb24", width=_THUMBNAIL_WIDTH, height=height)
            Image.fromarray(pixels).save(path, "JPEG", quality=_JPEG_QUALITY)
    except av.FFmpegError as error:
        raise MuxingError(f"{film.name}: no picture for a thumbnail: {error}") from error


def _mux(film: OutputContainer, inputs: list[Iterator[_Timed]]) -> None:
    for _, _, packet in heapq.merge(*inputs, key=lambda timed: timed[:2]):
        film.mux(packet)


def _encoded(segments: Sequence[Path]) -> Iterator[Encoded]:
    for path in segments:
        yield from read_pictures(path)


def _pictures(
    segments: Sequence[Path], stream: Stream, time_base: Fraction, report: Callable[[int], None]
) -> Iterator[_Timed]:
    for picture in _encoded(segments):
        packet = av.Packet(picture.payload)
        packet.stream = stream
        packet.pts, packet.dts = picture.pts, picture.dts
        packet.time_base = time_base
        packet.duration = 1
        packet.is_keyframe = picture.is_key
        report(picture.pts)
        yield float(picture.dts * time_base), 0, packet


def _sound(path: Path, stream: Stream) -> Iterator[_Timed]:
    for packet in read_packets(path):
        assert packet.dts is not None
        packet.stream = stream
        yield float(packet.dts * TIME_BASE), 1, packet


def _words(captions: Sequence[Caption], stream: Stream, kind: Format) -> Iterator[_Timed]:
    for start, end, text in samples(captions):
        packet = av.Packet(mov_text(text) if kind == "mp4" else text.encode())
        packet.stream = stream
        packet.pts = packet.dts = start
        packet.duration = end - start
        packet.time_base = _MILLISECONDS
        yield start / 1000, 2, packet


def _chapter(number: int, chapters: Sequence[ComposedChapter], duration_ms: int) -> av.container.core.Chapter:
    end = chapters[number + 1].start_ms if number + 1 < len(chapters) else duration_ms
    return {
        "id": number + 1,
        "start": chapters[number].start_ms,
        "end": max(end, chapters[number].start_ms + 1),
        "time_base": _MILLISECONDS,
        "metadata": {"title": chapters[number].title},
    }
