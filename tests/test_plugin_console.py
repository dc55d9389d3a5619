"""``parley plugins``: list imports nothing, check names plugin and key, a try gives a sample."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.__main__ import main
from tests.test_main import _place  # the same place for commands

__all__ = ["_place"]

MODULE = '''
"""A plugin for tests."""
from contextlib import asynccontextmanager
from appliance.hooks.contract import (
    Authenticator, EventListener, Identity, ModelProcessor, Notifier, Plugin, PluginConfig, ProcessorInput,
    ProcessorSample, Storage, Tensor, TryLater,
)

class Config(PluginConfig, frozen=True):
    """Keys."""
    port: int
    fail: bool = False

@asynccontextmanager
async def life(config, context):
    async def take(what):
        if config.fail:
            raise TryLater("busy")
        print("taken:", type(what).__name__)
    yield Notifier(notify=take), EventListener(events=frozenset({"meeting.ended"}), on_event=take)

plugin = Plugin(contract=1, summary="Takes things.", config=Config, open=life)

class Wrong(PluginConfig, frozen=True):
    """Keys."""
    wrong: bool = False

@asynccontextmanager
async def everything(config, context):
    kept = {}

    async def authenticate(credentials):
        if credentials.login == "ann" and credentials.password == "secret" or config.wrong:
            return Identity(subject="1", username="ann", email="ann@example.org", display_name="Ann", role="admin")

    async def put(key, path, media_type):
        kept[key] = path.read_bytes()

    async def read(key, start, length):
        return kept[key][start : start + length] if key in kept else None

    async def size(key):
        return len(kept[key]) + config.wrong if key in kept else None

    async def delete(key):
        return kept.pop(key, None) is not None

    async def prepare(asked):
        return {"samples": Tensor("float32", (1, len(asked.data) // 4), asked.data)}

    async def interpret(output):
        return {"loud": config.wrong}

    asked = ProcessorInput(data=bytes(8), sample_rate_hz=16000)
    sample = ProcessorSample(input=asked, tensors={}, result={"loud": False})
    yield (
        Authenticator(authenticate=authenticate),
        Storage(put=put, read=read, size=size, delete=delete),
        ModelProcessor(
            task="loudness", input="audio", output="scores", sample=sample, prepare=prepare, interpret=interpret
        ),
    )

every = Plugin(contract=1, summary="Does the rest.", config=Wrong, open=everything)
'''


@pytest.fixture(autouse=True)
def _installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with two plugins, as pip would have left it."""
    folder = tmp_path / "site"
    metadata = folder / "parley_taker-2.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: parley-taker\nVersion: 2.0\n")
    (metadata / "entry_points.txt").write_text(
        "[parley.notifiers]\ntaker = parley_taker_for_tests:plugin\nbroken = parley_taker_for_tests:nothing\n"
        "[parley.event_listeners]\ntaker = parley_taker_for_tests:plugin\n"
        "[parley.storage]\nvault = parley_taker_for_tests:every\n"
        "[parley.authentication]\nvault = parley_taker_for_tests:every\n"
        "[parley.model_processors]\nvault = parley_taker_for_tests:every\n"
    )
    (folder / "parley_taker_for_tests.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(folder))
    yield
    sys.modules.pop("parley_taker_for_tests", None)


def _lines(capsys: pytest.CaptureFixture[str]) -> tuple[list[str], list[str]]:
    shown = capsys.readouterr()
    return shown.out.splitlines(), shown.err.splitlines()


def test_the_list_imports_nothing(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_PLUGINS__ENABLED", "taker,missing")
    assert main(["plugins", "list"]) == 0
    out, err = _lines(capsys)
    assert "taker  2.0  enabled  event_listeners, notifiers  (parley-taker)" in out
    assert "broken  2.0  available  notifiers  (parley-taker)" in out
    assert "missing  -  not installed  (plugins.enabled)" in out
    assert "vault  2.0  available  authentication, model_processors, storage  (parley-taker)" in out
    assert err == [] and "parley_taker_for_tests" not in sys.modules


def test_a_plugin_is_described_with_its_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plugins", "info", "taker"]) == 0
    assert _lines(capsys)[0] == [
        "taker 2.0 (parley-taker), contract 1",
        "Takes things.",
        "  parley.event_listeners: EventListener, is told what happens",
        "  parley.notifiers: Notifier, carries notifications to people",
        "  port: int, must be set",
        "  fail: bool, default false",
    ]
    assert main(["plugins", "info", "vault"]) == 0
    out = _lines(capsys)[0]
    assert '  parley.storage: Storage, keeps files, where [storage] kind = "plugin:vault" says so' in out
    (line,) = [line for line in out if "parley.model_processors: ModelProcessor" in line]
    assert "its sample, and nothing else does" in line
    for name, sentence in (("nobody", "not installed"), ("broken", "cannot be imported: AttributeError:")):
        assert main(["plugins", "info", name]) == 2
        assert sentence in _lines(capsys)[1][0]


def test_check_names_every_plugin_and_key(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_PLUGINS__ENABLED", "taker")
    monkeypatch.setenv("PARLEY_PLUGINS__TAKER__PORT", "25")
    assert main(["plugins", "check"]) == 0
    assert _lines(capsys) == (["plugins.taker: good"], [])
    monkeypatch.setenv("PARLEY_PLUGINS__ENABLED", "taker, broken, missing, vault")
    monkeypatch.setenv("PARLEY_PLUGINS__VAULT__WRONG", "true")
    monkeypatch.setenv("PARLEY_PLUGINS__TAKER__PORT", "hunter2")
    monkeypatch.setenv("PARLEY_PLUGINS__TAKRE__PORT", "hunter2")
    assert main(["plugins", "check"]) == 2
    out, err = _lines(capsys)
    assert out == []
    assert [line.split(" (")[0] for line in err] == [
        "parley: plugins.taker.port: expected int, got str",
        "parley: plugins.broken: cannot be imported: AttributeError: module 'parley_taker_for_tests' has no attribute"
        " 'nothing'",
        "parley: plugins.missing: not installed; `parley plugins list` shows what is",
        "parley: plugins.vault: its sample: interpret answered {'loud': True}, not {'loud': False}",
        "parley: plugins.takre: a table that nobody reads: takre is not in plugins.enabled",
    ]
    assert "hunter2" not in "".join(err)


def test_check_names_a_storage_that_is_none(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARLEY_PLUGINS__ENABLED", "taker, vault")
    monkeypatch.setenv("PARLEY_PLUGINS__TAKER__PORT", "25")
    monkeypatch.setenv("PARLEY_STORAGE__KIND", "plugin:vault")
    assert main(["plugins", "check"]) == 0
    assert _lines(capsys) == (["plugins.taker: good", "plugins.vault: good"], [])
    monkeypatch.setenv("PARLEY_STORAGE__KIND", "plugin:taker")
    assert main(["plugins", "check"]) == 2
    fault = "storage.kind: 'plugin:taker': taker is no plugin for storage, it has event_listeners, notifiers"
    assert _lines(capsys) == (["plugins.taker: good", "plugins.vault: good"], [f"parley: {fault}"])


def test_an_import_that_does_not_come_back_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "site" / "parley_taker_for_tests.py").write_text("import time\ntime.sleep(2)\n")
    monkeypatch.setenv("PARLEY_PLUGINS__ENABLED", "taker")
    monkeypatch.setenv("PARLEY_PLUGINS__START_DEADLINE_S", "0.1")
    assert main(["plugins", "check"]) == 2
    assert _lines(capsys)[1] == ["parley: plugins.taker: still importing after 0.1 s"]


def test_a_try_gives_each_hook_a_sample(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PARLEY_PLUGINS__TAKER__PORT", "25")
    assert main(["plugins", "try", "taker", "--email", "ann@example.org"]) == 0
    assert _lines(capsys)[0] == [
        "taken: Notification",
        "taker was given a notification: done",
        "taken: Envelope",
        "taker was told of an event: done",
    ]
    monkeypatch.setenv("PARLEY_PLUGINS__TAKER__FAIL", "true")
    assert main(["plugins", "try", "taker"]) == 1
    assert _lines(capsys)[1] == ["parley: taker was given a notification and failed: busy"]
    monkeypatch.setenv("PARLEY_PLUGINS__TAKER__PORT", "x")
    assert main(["plugins", "try", "taker"]) == 1
    assert "plugins.taker: failed: configuring: plugins.taker.port: expected int" in _lines(capsys)[1][-1]


def test_a_try_asks_for_somebody_and_keeps_an_object(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["plugins", "try", "vault"]) == 0
    assert _lines(capsys)[0] == [
        "vault was asked who somebody is: it does not know somebody who is not there, as it should be",
        "vault kept and forgot an object: done",
        "vault was given its sample: loudness: samples float32[1, 2]",
    ]
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    assert main(["plugins", "try", "vault", "--login", "ann"]) == 0
    who = "ann (Ann, ann@example.org), subject '1', role admin"
    assert _lines(capsys)[0][0] == f"vault was asked who somebody is: {who}"
    monkeypatch.setattr("sys.stdin", io.StringIO("mistyped\n"))
    assert main(["plugins", "try", "vault", "--login", "ann"]) == 1
    assert "it does not know this name and password" in _lines(capsys)[1][0]
    monkeypatch.setenv("PARLEY_PLUGINS__VAULT__WRONG", "true")
    assert main(["plugins", "try", "vault"]) == 1
    assert "knows somebody whose name and password were drawn at random" in _lines(capsys)[1][0]
