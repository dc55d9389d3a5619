"""What can be analysed with which models, and why not."""

from __future__ import annotations

from pathlib import Path

from appliance.inference.client import Inference
from appliance.live.watcher import Watcher
from appliance.settings import VisionSettings
from tests.support.faces import models_that_watch
from tests.support.still_media import StillTap


async def nothing(*_: object) -> None:
    """Nobody is told."""


def told(inference: Inference, *, enabled: bool = True) -> tuple[str | None, str | None]:
    found = Watcher(VisionSettings(enabled=enabled), inference).ability()
    return found.emotion, found.deepfake


async def test_it_says_why_nothing_is_analysed(tmp_path: Path) -> None:
    models = models_that_watch(tmp_path, "emotion")
    inference = Inference(models, enabled=True, local=[])
    assert told(inference) == ("worker_down", "model_not_installed")  # it does not run
    assert told(inference, enabled=False) == ("ai_disabled", "ai_disabled")
    assert told(Inference(models, enabled=False, local=[])) == ("ai_disabled", "ai_disabled")


async def test_a_camera_is_looked_at_by_what_is_installed(tmp_path: Path) -> None:
    watcher = Watcher(VisionSettings(), Inference(models_that_watch(tmp_path, "face-spoof"), enabled=True, local=[]))
    who = {"participant_id": "prt_1", "name": "Ann", "tell": nothing, "shed": lambda analysis: None}
    assert watcher.open_camera(StillTap, analyses=("emotion",), **who) is None  # type: ignore[arg-type]
    camera = watcher.open_camera(StillTap, analyses=("deepfake", "emotion"), **who)  # type: ignore[arg-type]
    assert camera is not None and camera.models == (("spoof", "face-spoof"),)
