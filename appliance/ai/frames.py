"""Frames of a live video track into pixels: VP8, VP9, H.264, AV1. Pure.

Owns the decoder of each track. Frames depend on those before: after a gap, what comes until the next key frame shows
nothing (`TaskError` ``no_picture``), and a track's decoder is bounded like a picture.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import av
import av.error
import numpy as np
from av.video.codeccontext import VideoCodecContext

from appliance.ai.pictures import MAX_PIXELS, MIN_SIDE, Pixels
from appliance.inference.task import TaskError

_DECODERS = {"vp8": "vp8", "vp9": "vp9", "h264": "h264", "av1": "libdav1d"}
CODECS = tuple(_DECODERS)


class LiveVideo:
    """Decodes one track, whole frames in their order."""

    def __init__(self, codec: str) -> None:
        """TaskError ``bad_option``."""
        if codec not in _DECODERS:
            raise TaskError("bad_option", f"format: {codec[:20]!r}, must be one of {', '.join(CODECS)}")
        self._codec = cast(VideoCodecContext, av.CodecContext.create(_DECODERS[codec], "r"))
        self._codec.thread_count = 1
        if codec == "av1":
            self._codec.options = {"max_frame_delay": "1"}
        elif codec == "h264":
            self._codec.options = {"flags": "low_delay"}

    def feed(self, frame: bytes) -> Pixels:
        """The picture that it shows. TaskError ``bad_picture`` or ``no_picture``."""
        return self.show([frame])

    def show(self, frames: Iterable[bytes]) -> Pixels:
        """Decode them all; the picture that the last one shows. TaskError ``bad_picture`` or ``no_picture``."""
        picture: av.VideoFrame | None = None
        for frame in frames:
            picture = self._decode(frame)
        if picture is None:
            raise TaskError("no_picture", "the frame shows nothing yet: a key frame is needed")
        if picture.width * picture.height > MAX_PIXELS or min(picture.width, picture.height) < MIN_SIDE:
            raise TaskError("bad_picture", f"a frame of {picture.width}×{picture.height} pixels")
        return cast(Pixels, picture.to_ndarray(format="rgb24").astype(np.uint8, copy=False))

    def _decode(self, frame: bytes) -> av.VideoFrame | None:
        if not frame:
            raise TaskError("bad_picture", "no frame: 0 bytes")
        try:
            shown = self._codec.decode(av.Packet(frame))
        except av.error.FFmpegError as error:
            raise TaskError("bad_picture", f"not a frame that can be decoded: {str(error.strerror).lower()}") from None
        return shown[-1] if shown else None
