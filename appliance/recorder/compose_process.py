"""From a recording's folder to its files, in a worker process that may be killed at any time.

`compose` is the whole face: a plain function that the job runs elsewhere, with its options and its answer (`composed`).
The work is `making`'s, and is imported there: the server, which names this function, needs no FFmpeg for that.
"""

from __future__ import annotations

from pathlib import Path

from appliance.recorder.composed import Composed, ComposedChapter, ComposedTrack, ComposeOptions

__all__ = ["ComposeOptions", "Composed", "ComposedChapter", "ComposedTrack", "compose"]


def compose(folder: str, options: ComposeOptions, progress_path: str) -> Composed:
    """Make ``out`` of a closed recording's folder; called again after a kill it goes on.

    The journals stay as they are. ``progress_path`` is rewritten about twice a second, whole at any time. OSError when
    the disk refuses; ManifestError, MuxingError or EncoderError when nothing can be made of it.
    """
    from appliance.recorder.making import make

    return make(Path(folder), options, Path(progress_path))
