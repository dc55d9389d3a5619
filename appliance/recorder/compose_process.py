"""From a recording's folder to its files, in a worker process that may be killed at any time.

`compose` and `compose_ahead` are the whole face: plain functions that jobs run elsewhere, with options and answers of
`composed`. The work is `making`'s and `ahead`'s, imported there: the server, which names them, needs no FFmpeg.
"""

from __future__ import annotations

from pathlib import Path

from appliance.recorder.composed import Composed, ComposedAhead, ComposedChapter, ComposedTrack, ComposeOptions

__all__ = [
    "ComposeOptions",
    "Composed",
    "ComposedAhead",
    "ComposedChapter",
    "ComposedTrack",
    "compose",
    "compose_ahead",
]


def compose(folder: str, options: ComposeOptions, progress_path: str) -> Composed:
    """Make ``out`` of a closed recording's folder; called again after a kill it goes on.

    The journals stay as they are. ``progress_path`` is rewritten about twice a second, whole at any time. OSError when
    the disk refuses; ManifestError, MuxingError or EncoderError when nothing can be made of it.
    """
    from appliance.recorder.making import make

    return make(Path(folder), options, Path(progress_path))


def compose_ahead(folder: str, options: ComposeOptions) -> ComposedAhead:
    """Make the next part of the film of a recording that goes on, if so much of it is recorded; `compose` takes it over
    when its options are the same. OSError, ManifestError, EncoderError; av.FFmpegError of the encoder."""
    from appliance.recorder.ahead import make_ahead

    return make_ahead(Path(folder), options)
