"""The wheel alone is the whole product: installed outside the tree it serves its page and makes its database."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

from tests.support import server as server_support
from tests.support.server import running_server

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `parley` installed from a freshly built wheel into a virtual environment of its own."""
    folder = tmp_path_factory.mktemp("wheel")
    maturin = Path(sys.executable).with_name("maturin")
    # The folder that the Makefile gives to the module: nothing is compiled again.
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "appliance" / "dataplane" / "target")) / "module"
    subprocess.run(
        [maturin, "build", "-q", "--release", "--locked", "--out", folder],
        cwd=ROOT,
        check=True,
        timeout=900,
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
    )
    (wheel,) = folder.glob("*.whl")
    environment = folder / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    # The dependencies come from this environment, so that no index is asked; Parley itself from the wheel alone.
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--ignore-installed", wheel]
    subprocess.run(pip, check=True, timeout=120, cwd=folder)
    where = [python, "-c", "import appliance; print(appliance.__file__)"]
    found = subprocess.run(where, check=True, timeout=30, cwd=folder, capture_output=True, text=True).stdout
    assert found.startswith(str(environment)), found
    return environment / "bin" / "parley"


def test_wheel_serves(lab: None, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_support, "PARLEY", installed)
    with running_server(tmp_path / "server") as server:
        page = server.client().text("/")
        assert '<script type="module"' in page
        (script,) = {part.split('"')[0] for part in page.split('src="')[1:] if part.split('"')[0].endswith(".js")}
        assert len(server.client().text(script)) > 10_000
        host = server.client().register("ana", "Ana")
        assert host.post("/meetings", {"title": "From the wheel"})["code"]
