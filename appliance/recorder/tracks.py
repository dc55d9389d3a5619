"""One journal as a file that players open: WebM, or Matroska for H.264; nothing is encoded again.

Owns which frames go in. Silence and mute are gaps in the timestamps, as they were; video begins with a key frame, and
what could not be decoded after a loss is left out until the next one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import av
from av.container import OutputContainer
from av.stream import Stream

from appliance.recorder.composed import ComposedTrack
from appliance.recorder.frames import Frame
from appliance.recorder.journal import Codec
from appliance.recorder.manifest import TrackFile
from appliance.recorder.muxing import MICROSECONDS, NAMES, MuxingError, add_video, packet_of, template_of

# RFC 6716 §3.1: the duration of one frame by configuration, in µs, and how many a packet has.
_OPUS_US = (
    *(10_000, 20_000, 40_000, 60_000) * 3,
    *(10_000, 20_000) * 2,
    *(2_500, 5_000, 10_000, 20_000) * 4,
)
_VIDEO_US = 33_000  # of the last frame, whose end nobody knows


def write_track(
    track: TrackFile,
    codec: Codec,
    frames: Iterator[Frame],
    folder: Path,
    *,
    read: Callable[[], None] = lambda: None,
) -> ComposedTrack | None:
    """Write ``tracks/<track>.webm`` or ``.mkv`` below ``folder``; None when there is nothing to be shown.

    ``read`` is called for each frame. It is there whole or not at all. MuxingError, OSError.
    """
    suffix = "mkv" if codec == Codec.H264 else "webm"
    name = f"tracks/{track.track}.{suffix}"
    path, unfinished = folder / name, folder / f"tracks/.{track.track}.unfinished"
    path.parent.mkdir(parents=True, exist_ok=True)
    usable = _usable(frames, codec, read)
    first = next(usable, None)
    if first is None:
        return None
    try:
        with av.open(unfinished, "w", format="matroska" if suffix == "mkv" else "webm") as container:
            container.metadata["title"] = track.name
            stream = _stream(container, codec, first)
            last_us = _mux(container, stream, first, usable)
    except av.FFmpegError as error:
        raise MuxingError(f"{track.track}: {error}") from error
    unfinished.rename(path)
    return ComposedTrack(
        track=track.track,
        participant_id=track.participant_id,
        name=track.name,
        source=track.source,
        codec=NAMES[codec],
        file=name,
        bytes=path.stat().st_size,
        start_ms=first.at_us // 1000,
        duration_ms=(last_us - first.at_us) // 1000,
    )


def _usable(frames: Iterator[Frame], codec: Codec, read: Callable[[], None]) -> Iterator[Frame]:
    decodable = codec == Codec.OPUS
    for frame in frames:
        read()
        if frame.codec != codec or not frame.payload:
            continue
        if codec != Codec.OPUS:
            decodable = frame.is_key or (decodable and not frame.after_loss)
        if decodable:
            yield frame


def _stream(container: OutputContainer, codec: Codec, first: Frame) -> Stream:
    if codec == Codec.OPUS:
        # Opened as an encoder for the header that it writes (RFC 7845 §5.1): browsers use the same one, with the same
        # look-ahead.
        stereo = bool(first.payload[0] & 4)
        return container.add_stream("libopus", rate=48_000, layout="stereo" if stereo else "mono")
    with template_of(codec, first.payload) as template:
        return add_video(container, template)


def _mux(container: OutputContainer, stream: Stream, first: Frame, rest: Iterator[Frame]) -> int:
    """Write all; the end of the last one."""
    frame: Frame | None = first
    last_us = -1000
    end_us = first.at_us
    while frame is not None:
        at_us = max(frame.at_us - first.at_us, last_us + 1000)  # Matroska counts milliseconds
        packet = packet_of(stream, frame.payload, at_us, MICROSECONDS, is_key=frame.is_key)
        length_us = opus_duration_us(frame.payload) if frame.codec == Codec.OPUS else 0
        packet.duration = length_us
        container.mux(packet)
        last_us = at_us
        end_us = max(end_us, first.at_us + at_us + (length_us or _VIDEO_US))
        frame = next(rest, None)
    return end_us


def opus_duration_us(packet: bytes) -> int:
    """How long an Opus packet sounds (RFC 6716 §3.1, §3.2)."""
    one = _OPUS_US[packet[0] >> 3]
    match packet[0] & 3:
        case 0:
            return one
        case 1 | 2:
            return 2 * one
        case _:
            return one * (packet[1] & 63) if len(packet) > 1 else one
