"""What live vision costs: processor time of the inference worker for one camera, for each second that it is analysed.

``python -m tests.load.vision``: runs each analysis as the worker does, on one thread, on a photograph of a face as VP8
of 512×512 pixels and 15 frames a second, decoding included. Real weights (tests/support/ai_models.py).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from appliance.ai.vision.emotion import EmotionTask
from appliance.ai.vision.generated import GeneratedTask
from appliance.ai.vision.spoof import SpoofTask
from appliance.inference.task import Request, Result, TaskError
from appliance.live.camera import EACH_S, Task
from tests.support.ai_models import model
from tests.support.faces import face_frames

FPS = 15
LOOKS = 10


class Looks(Protocol):
    """A task of the worker."""

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """Answers."""


def cost(task: Looks, name: Task) -> float:
    """Seconds of the processor for each second of one camera."""
    count = round(FPS * EACH_S[name])
    frames = face_frames(count * (LOOKS + 1))
    spent = 0.0
    for look in range(LOOKS + 1):
        batch = frames[look * count : (look + 1) * count]
        options = {"session": "load", "format": "vp8", "frames": [len(one) for one in batch], "at_ms": look * 1000}
        before = time.process_time()
        (answer,) = task.run([Request(options, b"".join(batch))])
        if look:  # the first one warms up
            spent += time.process_time() - before
        assert isinstance(answer, Result), answer
    return spent / LOOKS / EACH_S[name]


def main() -> None:
    """Print a line for each analysis."""
    tasks: list[tuple[Task, Looks]] = [
        ("emotion", EmotionTask(model("emotion"))),
        ("spoof", SpoofTask(model("face-spoof"))),
        ("synthesis", GeneratedTask(model("clip-generated"))),
    ]
    for name, task in tasks:
        print(f"{name:<10} each {EACH_S[name]:g} s: {cost(task, name) * 100:5.1f} % of a core for one camera")


if __name__ == "__main__":
    main()
