"""The models folder: whole or absent, and only what the catalog says."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.errors import ConfigError
from appliance.inference.installed import ModelError, ModelFolder
from tests.support.inference_world import entry_text, models_folder


def test_what_lies_there_is_installed_and_checked(tmp_path: Path) -> None:
    models = models_folder(tmp_path, (entry_text("echo", "Echo"),))
    entry = models.entry("echo")
    assert models.installed() == (entry,)
    models.check(entry)
    (models.path(entry) / "weights.bin").write_bytes(b"altered")
    with pytest.raises(ModelError, match=r"weights\.bin has SHA-256 .* instead of") as caught:
        models.check(entry)
    assert caught.value.code == "model_broken"
    assert models.remove(entry) and not models.remove(entry)
    with pytest.raises(ModelError, match="parley models pull echo") as caught:
        models.check(entry)
    assert caught.value.code == "model_not_installed"
    assert list(models.folder.iterdir()) == []


def test_bringing_is_whole_or_nothing(tmp_path: Path) -> None:
    models = models_folder(tmp_path, (entry_text("echo", "Echo"),))
    entry = models.entry("echo")
    with pytest.raises(LookupError), models.bringing(entry) as partial:
        (partial / "weights.bin").write_bytes(b"half")
        raise LookupError
    models.check(entry)
    with pytest.raises(ModelError, match="refused"), models.bringing(entry) as partial:
        (partial / "weights.bin").write_bytes(b"other")
        models.note(entry, partial, origin="test", now_ms=0)
    models.check(entry)
    assert [path.name for path in models.folder.iterdir()] == ["echo@1"]


def test_pins_survive_and_nonsense_is_named(tmp_path: Path) -> None:
    models = models_folder(tmp_path, (entry_text("echo", "Echo"), entry_text("fast", "Fast")))
    assert models.pins() == frozenset()
    models.pin(models.entry("echo"), True)
    models.pin(models.entry("fast"), True)
    models.pin(models.entry("echo"), False)
    assert ModelFolder(models.folder, [tmp_path / "catalog.toml"]).pins() == {"fast"}
    (models.folder / "pins.json").write_text("{")
    with pytest.raises(ModelError, match=r"pins\.json"):
        models.pins()


def test_a_later_catalog_replaces_an_entry(tmp_path: Path) -> None:
    for name, task in (("one", "Echo"), ("two", "Fast")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "c.toml").write_text(entry_text("echo", task))
    models = ModelFolder(tmp_path / "models", [tmp_path / "one/c.toml", tmp_path / "two/c.toml"])
    assert models.entry("echo").processor.endswith(":Fast")
    assert models.beside_catalog(models.entry("echo")) == tmp_path / "two"
    with pytest.raises(ModelError, match="no model is called 'ecko'; the catalog has: echo"):
        models.entry("ecko")
    with pytest.raises(ConfigError, match="No such file"):
        ModelFolder(tmp_path, [tmp_path / "absent.toml"])
