"""What the analysis of pictures can do on this server, and the cameras that do it.

Owns the choice of the models and the reasons why there is none; refuses to know rooms. The inference workers leave
pictures out first when there is too much to do (`inference.entries.SHED_ORDER`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection

import trio

from appliance.inference.client import Inference
from appliance.live.camera import Camera, Felt, Suspected, Task
from appliance.live.vision import OFF, Analysis, VisionAbility
from appliance.recorder.writer import Tap
from appliance.settings import VisionSettings
from appliance.signaling.messages import VisionTrouble

TASKS: dict[Analysis, tuple[Task, ...]] = {"emotion": ("emotion",), "deepfake": ("spoof", "synthesis")}
"""What each switch looks for; one of them is enough."""
_FRESH_S = 0.25
"""Rooms ask together; nothing changes faster than people see."""


class Watcher:
    """One server's; fulfils `vision.Watching`."""

    def __init__(self, settings: VisionSettings, inference: Inference) -> None:
        self._settings = settings
        self._inference = inference
        self._looked_at = float("-inf")
        self._ability = OFF
        self.shed = 0
        """How often a picture was left out."""

    def ability(self) -> VisionAbility:
        """What can be done now."""
        now = trio.current_time()
        if now - self._looked_at >= _FRESH_S:
            self._looked_at = now
            self._ability = VisionAbility(*(self._trouble(TASKS[analysis]) for analysis in ("emotion", "deepfake")))
        return self._ability

    def open_camera(
        self,
        open_tap: Callable[[], Tap],
        *,
        participant_id: str,
        name: str,
        analyses: Collection[Analysis],
        tell: Callable[[Camera, Felt | Suspected], Awaitable[None]],
        shed: Callable[[Analysis], None],
    ) -> Camera | None:
        """Look at a track; None when no model is installed for any of the ``analyses``."""
        models = [
            (task, model)
            for analysis in sorted(analyses)
            for task in TASKS[analysis]
            if (model := self._model(task)) is not None
        ]

        def note_shed(task: Task) -> None:
            self.shed += 1
            shed("emotion" if task == "emotion" else "deepfake")

        if not models:
            return None
        return Camera(
            self._inference,
            open_tap,
            participant_id=participant_id,
            name=name,
            models=models,
            tell=tell,
            shed=note_shed,
        )

    def _trouble(self, tasks: tuple[Task, ...]) -> VisionTrouble | None:
        if not self._settings.enabled or not self._inference.enabled:
            return "ai_disabled"
        if all(self._model(task) is None for task in tasks):
            return "model_not_installed"
        return None if self._inference.health().state in ("ready", "degraded") else "worker_down"

    def _model(self, task: Task) -> str | None:
        """The preferred one that is installed."""
        for entry in self._inference.models.catalog.of_task(task):
            if not entry.is_plugged and self._inference.is_installed(entry):
                return entry.name
        return None
