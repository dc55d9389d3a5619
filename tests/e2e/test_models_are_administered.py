"""An administrator looks after the models: what runs on what, loading and unloading; nobody else sees the page."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.person import Person
from tests.support import ai_models
from tests.support.http_client import PASSWORD, ApiError
from tests.support.server import Server, running_server

MODEL = "moonshine-tiny-en"
CARD = "[data-testid='ai-model'][data-model='moonshine-tiny-en']"
IS = "([kept, value]) => document.querySelector(`" + CARD + "`)?.dataset[kept] === value"
TEXT = "(part) => document.querySelector(`[data-testid='${part}']`)?.innerText"
ACTIONS = (
    "() => [...document.querySelectorAll(`" + CARD + " [data-testid^='model-']:is(button)`)].map((b) => b.ariaLabel)"
)
HINTS = "() => [...document.querySelectorAll(`[data-testid='models-missing'] code`)].map((one) => one.innerText)"


@pytest.fixture
def server(lab: None, tmp_path: Path) -> Iterator[Server]:
    """One with a model installed, that is told to compute on a card that is not there."""
    loaded = ai_models.model(MODEL)
    models = tmp_path / "models"
    shutil.copytree(loaded.folder, models / f"{loaded.entry.name}@{loaded.entry.version}")
    environment = {"PARLEY_MODELS__FOLDER": str(models), "PARLEY_AI__DEVICE": "cuda"}
    with running_server(tmp_path / "server", environment) as running:
        yield running


def test_models_are_loaded_and_unloaded_on_a_page(server: Server, people: Callable[..., Person]) -> None:
    server.administrator()
    ben = server.client().register("ben", "Ben")
    with pytest.raises(ApiError) as refused:
        ben.get("/admin/models")
    assert refused.value.status == 403
    guest = people("Ben", "green")
    guest.sign_in("ben", PASSWORD)
    guest.page.goto(server.url + "/admin/models")
    guest.page.wait_for("() => location.pathname === '/home'")

    root = people("Root", "red")
    root.page.goto(server.url + "/admin/models")
    root.page.wait_for("() => location.pathname === '/login' && location.search === '?next=admin/models'")
    root.sign_in("root", PASSWORD)
    root.page.goto(server.url + "/home")
    root.page.click("account-menu")
    root.page.click("menu-admin")
    root.page.wait_for("() => document.querySelector(`[data-testid='ai-worker']`)?.dataset.state === 'up'")
    assert 'ai.device = "cuda"' in root.page.wait_for(TEXT, "gpu-warning")
    assert root.page.evaluate(TEXT, "ai-device").startswith('CPU (ai.device = "cuda"; onnxruntime ')
    assert "parley models pull silero-vad" in root.page.evaluate(HINTS)
    assert root.page.evaluate(ACTIONS) == [f"{MODEL}: Load", f"{MODEL}: Keep loaded"]

    root.page.click("model-load")
    root.page.wait_for(IS, ["loaded", "true"])
    assert root.page.wait_for(TEXT, "model-provider") == "CPU"
    root.page.click("model-pin")
    root.page.wait_for(IS, ["pinned", "true"])
    assert root.page.evaluate(ACTIONS) == [f"{MODEL}: Let go when idle"]
    root.page.click("model-unpin")
    root.page.wait_for(IS, ["pinned", "false"])
    root.page.click("model-unload")
    root.page.wait_for(IS, ["loaded", "false"])

    account = server.administrator()
    account.post("/ai/setup", {"action": "load", "model": MODEL})
    root.page.wait_for(IS, ["loaded", "true"])  # by itself
