"""The wheel alone is the whole product: installed outside the tree it serves its page and makes its database."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import server as server_support
from tests.support.installed import install_wheel
from tests.support.server import running_server


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A `parley` of its own."""
    return install_wheel(tmp_path_factory.mktemp("wheel")) / "bin" / "parley"


def test_wheel_serves(lab: None, installed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_support, "PARLEY", installed)
    with running_server(tmp_path / "server") as server:
        page = server.client().text("/")
        assert '<script type="module"' in page
        (script,) = {part.split('"')[0] for part in page.split('src="')[1:] if part.split('"')[0].endswith(".js")}
        assert len(server.client().text(script)) > 10_000
        host = server.client().register("ana", "Ana")
        assert host.post("/meetings", {"title": "From the wheel"})["code"]
