"""The example processor as its guide says: an installed package, an entry in a catalog, and an answer over HTTP."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from appliance.ai.sound import to_wav
from appliance.inference.installed import ModelFolder
from appliance.settings import AiSettings, ModelsSettings
from tests.support.ai_models import ROOT, data_file
from tests.support.ai_sounds import picture, tone
from tests.support.api_server import Account, ApiServer, serving, settings_for
from tests.support.questions import ask_form, ask_json, ask_raw

pytestmark = pytest.mark.slow

PACKAGE = ROOT / "plugins" / "example-processor"


def _install(site: Path) -> None:
    """What pip leaves of the package."""
    about = site / "parley_seven_faces-1.0.dist-info"
    about.mkdir(parents=True)
    shutil.copyfile(PACKAGE / "parley_seven_faces.py", site / "parley_seven_faces.py")
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: parley-seven-faces\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text("[parley.model_processors]\nseven-faces = parley_seven_faces:plugin\n")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder = tmp_path_factory.mktemp("plugged")
    guide = (ROOT / "plugins" / "README.md").read_text()
    entry = next(part for part in guide.split("```toml\n") if part.startswith("[[models]]")).split("```")[0]
    catalog = folder / "catalog.toml"
    broken = entry.replace('name = "seven-faces"', 'name = "nobodys"', 1).replace('"seven-faces", c', '"nobody", c')
    catalog.write_text(entry + broken)
    models = ModelFolder(folder / "models", [catalog])
    for one in models.catalog:
        with models.bringing(one) as partial:
            shutil.copyfile(ROOT / "models" / "emotion.onnx", partial / "emotion.onnx")
            models.note(one, partial, origin="tests", now_ms=0)
    _install(folder / "site")
    settings = settings_for(
        folder,
        ai=AiSettings(device="cpu", threads=1),
        models=ModelsSettings(folder=str(folder / "models"), catalogs=(str(catalog),)),
    )
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PYTHONPATH", os.pathsep.join([str(folder / "site"), str(ROOT)]))
        with serving(settings) as server:
            yield server


@pytest.fixture(scope="module")
def ann(server: ApiServer) -> Account:
    return server.user("ann")


def face() -> bytes:
    """The astronaut's, filling the picture."""
    return picture(np.asarray(Image.open(data_file("astronaut")).convert("RGB").crop((150, 20, 310, 200))))


def test_its_answer_is_the_plugins(ann: Account) -> None:
    for reply in (
        ask_raw(ann, "/ai/models/seven-faces", face(), "image/png"),
        ask_json(ann, "/ai/models/seven-faces", "image", face()),
        ask_form(ann, "/ai/models/seven-faces", "image", face()),
    ):
        answer = reply.data
        assert answer["model"] == "seven-faces" and answer["task_id"].startswith("ait_")
        assert max(answer["result"], key=answer["result"].__getitem__) == "happy"
        assert min(answer["result"].values()) >= 0.1, "as its config says"


def test_what_is_wrong_is_named(ann: Account) -> None:
    for reply, status, error in (
        (ask_raw(ann, "/ai/models/seven-faces", b"no picture", "image/png"), 422, "bad_picture: image"),
        (ask_raw(ann, "/ai/models/seven-faces", to_wav(tone(0.1)), "audio/wav"), 422, "bad_picture: audio"),
        (ask_raw(ann, "/ai/models/nothing", face(), "image/png"), 404, "model_unknown"),
        (ask_raw(ann, "/ai/models/dtln", face(), "image/png"), 503, "model_not_installed"),
        (ask_raw(ann, "/ai/models/emotion", face(), "image/png"), 503, "model_not_installed"),
        (ask_raw(ann, "/ai/emotion", face(), "image/png"), 503, "model_not_installed"),
        (ask_raw(ann, "/ai/emotion?model=seven-faces", face(), "image/png"), 400, "invalid_field: model"),
    ):
        assert (reply.status, reply.error) == (status, error), reply.json
    nobodys = ask_raw(ann, "/ai/models/nobodys", face(), "image/png")
    assert (nobodys.status, nobodys.error) == (503, "model_broken")
    assert "no model processor of this name is installed; there are: seven-faces" in nobodys.json["message"]


def test_it_ends_with_the_model_and_comes_again(server: ApiServer) -> None:
    root = server.admin()
    assert not root.post("/ai/setup", {"action": "unload", "model": "seven-faces"}).data["loaded"]
    assert ask_raw(root, "/ai/models/seven-faces", face(), "image/png").data["result"]
