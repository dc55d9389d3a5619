"""What answers about models hold."""

from __future__ import annotations

from appliance.api.ai_shapes import health_view, model_view, task_view
from appliance.inference.entries import read_catalog
from appliance.inference.health import InferenceHealth, ModelHealth, QueueHealth, WorkerHealth
from appliance.inference.installed import SHIPPED

CATALOG = read_catalog(SHIPPED.read_text(), "catalog")


def test_a_task_is_available_when_one_of_its_models_is_here() -> None:
    entries = CATALOG.of_task("asr")
    here = task_view("asr", entries, {"whisper-base-int8", "dtln"}, enabled=True)
    assert (here.available, here.models, here.reason) == (True, ("whisper-base-int8",), None)


def test_one_that_is_not_says_what_to_do() -> None:
    absent = task_view("denoise", CATALOG.of_task("denoise"), set(), enabled=True)
    assert not absent.available
    assert absent.reason == "model not installed; an administrator runs: parley models pull dtln"
    off = task_view("denoise", CATALOG.of_task("denoise"), {"dtln"}, enabled=False)
    assert (off.available, off.reason) == (False, "the AI functions are switched off")


def test_people_see_neither_addresses_nor_processes() -> None:
    workers = (
        WorkerHealth(name="tcp://10.0.0.5:8810", kind="remote", state="up", pid=7, host="box", device="cuda"),
        WorkerHealth(name="local-1", kind="local", state="starting"),
    )
    queue = QueueHealth(waiting=2, in_flight=3, shed={"vision": 1, "audio": 0, "captions": 0})
    view = health_view(InferenceHealth(state="ready", workers=workers, queue=queue), gpu_unused=False)
    assert (view.workers_up, view.workers, view.devices) == (1, 2, ("cuda",))
    assert (view.waiting, view.in_flight, view.shed["vision"]) == (2, 3, 1)
    assert "10.0.0.5" not in repr(view) and "box" not in repr(view)


def test_a_models_view_has_no_problem_in_it() -> None:
    model = ModelHealth(
        name="m", task="t", version="1", summary="s", licence="MIT", size_bytes=1, languages=("en",),
        duty="audio", default=True, installed=True, loaded=True, problem="/secret/path is broken",
    )  # fmt: skip
    view = model_view(model)
    assert (view.name, view.languages, view.loaded) == ("m", ("en",), True)
    assert "/secret" not in repr(view)
