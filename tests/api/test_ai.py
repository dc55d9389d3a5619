"""What people and administrators see of models and workers, with a real worker behind the API."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.settings import AiSettings, ModelsSettings
from tests.support.api_server import Account, ApiServer, serving, settings_for
from tests.support.inference_world import entry_text, models_folder
from tests.support.waiting import wait_for

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder: Path = tmp_path_factory.mktemp("ai")
    models_folder(folder, (entry_text("echo", "Echo"), entry_text("broken", "Unmakeable")))
    settings = settings_for(
        folder,
        ai=AiSettings(device="cpu"),
        models=ModelsSettings(folder=str(folder / "models"), catalogs=(str(folder / "catalog.toml"),)),
    )
    with serving(settings) as server:
        yield server


@pytest.fixture(scope="module")
def root(server: ApiServer) -> Account:
    return server.admin()


@pytest.fixture(scope="module")
def ann(server: ApiServer, root: Account) -> Account:
    return server.user("ann")


def _model(root: Account, name: str) -> Any:
    return next(model for model in root.get("/admin/models").data["models"] if model["name"] == name)


def test_strangers_and_users_may_not_touch_models(server: ApiServer, ann: Account) -> None:
    for path in ("/models", "/ai/info", "/ai/health", "/admin/models"):
        assert server.request("GET", path).status == 401
    body = {"action": "load", "model": "echo"}
    assert server.request("POST", "/ai/setup", body).status == 401
    assert ann.post("/ai/setup", body).code == "forbidden"
    assert ann.get("/admin/models").code == "forbidden"


def test_everybody_sees_what_there_is(ann: Account) -> None:
    models = {model["name"]: model for model in ann.get("/models").data["items"]}
    assert models["echo"]["installed"] and models["echo"]["task"] == "echo"
    assert not models["moonshine-tiny-en"]["installed"]
    tasks = {task["task"]: task for task in ann.get("/ai/info").data["tasks"]}
    assert tasks["echo"] == {"task": "echo", "available": True, "models": ["echo"], "reason": None}
    assert not tasks["asr"]["available"]
    assert "parley models pull moonshine-tiny-en" in tasks["asr"]["reason"]


def test_a_model_is_loaded_pinned_and_unloaded(server: ApiServer, root: Account) -> None:
    loaded = root.post("/ai/setup", {"action": "load", "model": "echo"}).data
    assert loaded["loaded"] and not loaded["pinned"]
    assert root.post("/ai/setup", {"action": "pin", "model": "echo"}).data["pinned"]
    unpinned = root.post("/ai/setup", {"action": "unpin", "model": "echo"}).data
    assert unpinned["loaded"] and not unpinned["pinned"]
    assert not root.post("/ai/setup", {"action": "unload", "model": "echo"}).data["loaded"]
    actions = [row["action"] for row in root.get("/admin/audit").data["items"]]
    assert {"admin.model.load", "admin.model.pin", "admin.model.unpin", "admin.model.unload"} <= set(actions)


def test_setup_says_what_is_wrong(root: Account) -> None:
    unknown = root.post("/ai/setup", {"action": "load", "model": "nothing"})
    assert (unknown.status, unknown.error) == (404, "model_unknown: model")
    absent = root.post("/ai/setup", {"action": "load", "model": "dtln"})
    assert (absent.status, absent.error) == (503, "model_not_installed: model")
    assert "parley models pull dtln" in absent.json["message"]
    broken = root.post("/ai/setup", {"action": "load", "model": "broken"})
    assert (broken.status, broken.error) == (503, "model_broken: model")
    assert "the tokenizer has no end" in broken.json["message"]


def test_health_says_how_it_fares(server: ApiServer, root: Account, ann: Account) -> None:
    root.post("/ai/setup", {"action": "load", "model": "broken"})
    health = wait_for(lambda: (found := ann.get("/ai/health").data)["state"] == "degraded" and found)
    assert (health["devices"], health["gpu_unused"], health["workers_up"]) == (["cpu"], False, 1)
    assert any("broken" in warning for warning in health["warnings"])
    assert health["shed"] == {"vision": 0, "audio": 0, "captions": 0}
    assert "pid" not in str(health)
    (worker,) = root.get("/admin/models").data["health"]["workers"]
    assert worker["pid"] > 0 and worker["runtime"].startswith("onnxruntime ")
    assert _model(root, "broken")["problem"]


def test_metrics_know_the_workers(server: ApiServer, root: Account) -> None:
    text = server.request("GET", "!/metrics").body.decode()
    assert "inference_request_seconds" in text


def test_switched_off_nothing_runs(tmp_path: Path) -> None:
    with serving(settings_for(tmp_path, ai=AiSettings(enabled=False))) as server:
        root = server.admin()
        assert root.get("/ai/health").data["state"] == "off"
        assert root.get("/ai/info").data["enabled"] is False
        off = root.post("/ai/setup", {"action": "load", "model": "dtln"})
        assert (off.status, off.code) == (503, "ai_off")


def test_without_models_no_worker_runs(tmp_path: Path) -> None:
    with serving(settings_for(tmp_path)) as server:
        root = server.admin()
        health = root.get("/ai/health").data
        assert (health["state"], health["workers"]) == ("no_models", 0)
        assert root.get("/admin/models").data["health"]["workers"] == []
