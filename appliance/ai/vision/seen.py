"""What a request shows: a picture, or the next frame of a live track. Pure.

Owns the decoders of tracks. Options: ``format`` is a codec of `frames` with ``session``, the track; else the payload is
a JPEG, PNG or WebP, and may still belong to a session, where somebody else took pictures of a track.
"""

from __future__ import annotations

from appliance.ai.frames import CODECS, LiveVideo
from appliance.ai.options import text_option
from appliance.ai.pictures import MAX_PIXELS, Pixels, decode_picture_untrusted
from appliance.ai.tasks import Sessions
from appliance.inference.task import Request, TaskError


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
        pixels = self._tracks.of(request.session, lambda: LiveVideo(codec)).feed(request.payload)
        if pixels.shape[0] * pixels.shape[1] > max_pixels:
            size = f"{pixels.shape[1]}×{pixels.shape[0]}"
            raise TaskError("picture_too_large", f"a frame of {size} pixels, more than {max_pixels / 1e6:g} million")
        return pixels

    def close(self, session: str) -> None:
        """Forget a track."""
        self._tracks.close(session)
