"""What a request shows: a picture, or the next frame of a live track. Pure.

Owns the decoders of tracks. Options: ``format`` is a codec of `frames` with ``session``, the track; else the payload is
a JPEG, PNG or WebP, and may still belong to a session, where somebody else took pictures of a track. With ``frames``, a
list of lengths, the payload holds several frames one behind the other: all are decoded, and the last is shown.
``turns``: quarter turns, clockwise, until it stands upright.
"""

from __future__ import annotations

import numpy as np

from appliance.ai.frames import CODECS, LiveVideo
from appliance.ai.options import number_option, text_option
from appliance.ai.pictures import MAX_PIXELS, Pixels, decode_picture_untrusted
from appliance.ai.tasks import Sessions, split_payload_untrusted
from appliance.inference.task import Request, TaskError

MAX_FRAMES = 2000
"""Of one request: half a minute of 60 a second."""


class Seen:
    """The pictures of one task."""

    def __init__(self) -> None:
        self._tracks: Sessions[LiveVideo] = Sessions()

    def picture(self, request: Request, max_pixels: int = MAX_PIXELS) -> Pixels:
        """TaskError ``bad_picture``, ``picture_too_large``, ``no_picture`` or ``bad_option``."""
        codec = text_option(request.options, "format", "")
        if codec not in CODECS:
            return decode_picture_untrusted(request.payload, max_pixels)
        if request.session is None:
            raise TaskError("bad_option", f"session: is needed for frames of {codec}")
        track = self._tracks.of(request.session, lambda: LiveVideo(codec))
        frames = [request.payload]
        if (lengths := request.options.get("frames")) is not None:
            frames = split_payload_untrusted(request.payload, lengths, "frames", MAX_FRAMES)
        pixels = track.show(frames)
        turns = int(number_option(request.options, "turns", 0, 0, 3))
        if pixels.shape[0] * pixels.shape[1] > max_pixels:
            size = f"{pixels.shape[1]}×{pixels.shape[0]}"
            raise TaskError("picture_too_large", f"a frame of {size} pixels, more than {max_pixels / 1e6:g} million")
        return np.ascontiguousarray(np.rot90(pixels, -turns)) if turns else pixels

    def close(self, session: str) -> None:
        """Forget a track."""
        self._tracks.close(session)
