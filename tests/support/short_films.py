"""The real compositions in segments of a few seconds, so that a test need not wait for a minute to be recorded.

Plain functions that run in the worker process in the place of the real ones.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

from appliance.recorder import compose_process
from appliance.recorder.compose_process import Composed, ComposedAhead, ComposeOptions

SEGMENT_S = 5
FPS = 5
"""For the settings of tests: few pictures are soon made."""
# The next look at what was recorded; the journals of tests grow faster than time goes.
_LOOK_S = 0.05


def compose(folder: str, options: ComposeOptions, progress_path: str) -> Composed:
    """Of a recording that is over."""
    return compose_process.compose(folder, _short(options), progress_path)


def compose_ahead(folder: str, options: ComposeOptions) -> ComposedAhead:
    """Of one that goes on. What it does is the folder's word: the file ``script`` may say ``hang`` or ``fail``."""
    script = Path(folder) / "script"
    match script.read_text() if script.exists() else "":
        case "hang":
            (Path(folder) / "process").write_text(str(os.getpid()))
            time.sleep(60)
        case "fail":
            raise ValueError("a frame that nobody can read")
    made = compose_process.compose_ahead(folder, _short(options))
    return msgspec.structs.replace(made, wait_s=_LOOK_S if made.wait_s else 0.0)


def _short(options: ComposeOptions) -> ComposeOptions:
    return msgspec.structs.replace(options, segment_s=SEGMENT_S)
