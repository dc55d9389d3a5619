"""Pictures without pictures: a task whose "frames" are words, as what a camera shows; it runs in a real worker process.

Owns the words: "happy" and "sad" are what the face of the last frame expresses, "spoof" is one that accuses, "wall" has
no face, "odd" is answered with something else, "crash" kills the worker (once for each models folder). As a decoder it
needs "key" first.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from appliance.inference.installed import ModelFolder
from appliance.inference.task import LoadedModel, Request, Result, TaskError
from tests.support.inference_world import TASKS, entry_text, models_folder


class Spotting:
    """Says what the last word is."""

    name: ClassVar[str] = "emotion"

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._begun: set[str] = set()

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        return [self._one(request) for request in requests]

    def _one(self, request: Request) -> Result | TaskError:
        words, begin = [], 0
        for size in request.options["frames"]:
            words.append(request.payload[begin : begin + size].decode())
            begin += size
        if "crash" in words:
            self._crash()
        session = request.session or ""
        if "key" not in words and session not in self._begun:
            return TaskError("no_picture", "a key frame is needed")
        self._begun.add(session)
        if words[-1] == "odd":
            return Result({"words": len(words)})
        face: dict[str, Any] = {"box": [0, 0, 90, 90], "emotion": words[-1], "confidence": 0.8}
        if words[-1] == "spoof":
            face = {"box": [0, 0, 90, 90], "verdict": "spoof", "antispoof": 0.1, "liveness": 0.1}
        elif words[-1] not in ("happy", "sad"):
            return Result({"faces": []})
        return Result({"faces": [face]}, b"jpeg")

    def _crash(self) -> None:
        try:
            (self._model.folder / "crashed").touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)

    def close(self, session: str) -> None:
        self._begun.discard(session)


def spotting_folder(folder: Path) -> ModelFolder:
    """A models folder with "spotting"."""
    entry = entry_text("spotting", "Spotting", task="emotion", duty="vision")
    return models_folder(folder, [entry.replace(f"{TASKS}:", "tests.support.spotted:")])
