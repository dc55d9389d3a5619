"""A model is brought whole, verified and converted; or not at all."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from appliance.inference.entries import CatalogEntry
from appliance.inference.installed import ModelError, ModelFolder
from appliance.inference.pulling import pull as pull_with
from appliance.inference.sources import Sources
from tests.support.inference_world import entry_text

RAW = b"raw weights"
CONVERTED = f"""
[[models]]
name = "made"
task = "echo"
version = "1"
licence = "MIT"
summary = "For tests."
processor = "tests.support.inference_tasks:Echo"
conversion = "tests.inference.test_pulling:convert"
[[models.sources]]
role = "checkpoint"
source = "file:raw.bin"
sha256 = "{hashlib.sha256(RAW).hexdigest()}"
size_bytes = {len(RAW)}
[[models.files]]
role = "model"
name = "made.bin"
size_bytes = 20
"""


def convert(sources: Mapping[str, Path], folder: Path) -> None:
    """The conversion of the entry above."""
    content = sources["checkpoint"].read_bytes()
    if content == RAW and not (folder.parent / "refuse").exists():
        (folder / "made.bin").write_bytes(content.upper())
    else:
        raise ValueError("no checkpoint of ours")


def pull(models: ModelFolder, entry: CatalogEntry, *, say: Any, offline: Path | None = None, **more: Any) -> bool:
    """As a command does that brings one model."""
    with TemporaryDirectory() as scratch:
        return pull_with(models, entry, Sources(Path(scratch), offline=offline, say=say), **more)


def _models(folder: Path, text: str) -> ModelFolder:
    folder.mkdir(exist_ok=True)
    (folder / "catalog.toml").write_text(text)
    return ModelFolder(folder / "models", [folder / "catalog.toml"])


def test_a_model_is_brought_once(tmp_path: Path) -> None:
    models = _models(tmp_path, entry_text("echo", "Echo"))
    (tmp_path / "echo-weights.bin").write_bytes(b"weights")
    entry = models.entry("echo")
    said: list[str] = []
    assert pull(models, entry, now_ms=1, say=said.append)
    assert not pull(models, entry, now_ms=2, say=said.append)
    models.check(entry)
    (models.path(entry) / "weights.bin").write_bytes(b"altered")
    assert pull(models, entry, now_ms=3, say=said.append), "what is broken is brought again"
    assert "brought again" in said[-1]
    assert pull(models, entry, now_ms=4, say=said.append, again=True)


def test_what_is_refused_leaves_what_was_there(tmp_path: Path) -> None:
    models = _models(tmp_path, entry_text("echo", "Echo"))
    entry = models.entry("echo")
    (tmp_path / "echo-weights.bin").write_bytes(b"weights")
    pull(models, entry, now_ms=1, say=print)
    (tmp_path / "echo-weights.bin").write_bytes(b"wrongly")
    with pytest.raises(ModelError, match="refused"):
        pull(models, entry, now_ms=1, say=print, again=True)
    models.check(entry)
    assert [path.name for path in models.folder.iterdir()] == ["echo@1"]


def test_a_conversion_is_pinned_by_its_hash(tmp_path: Path) -> None:
    models = _models(tmp_path, CONVERTED)
    (tmp_path / "raw.bin").write_bytes(RAW)
    entry = models.entry("made")
    assert pull(models, entry, now_ms=1, say=print)
    models.check(entry)
    assert (models.path(entry) / "made.bin").read_bytes() == RAW.upper()
    assert sorted(path.name for path in models.path(entry).iterdir()) == ["made.bin", "manifest.json"]
    (models.path(entry) / "made.bin").write_bytes(b"altered")
    with pytest.raises(ModelError, match="SHA-256"):
        models.check(entry)


def test_a_conversion_that_fails_says_why(tmp_path: Path) -> None:
    models = _models(tmp_path, CONVERTED)
    (tmp_path / "raw.bin").write_bytes(RAW)
    models.folder.mkdir()
    (models.folder / "refuse").touch()
    with pytest.raises(ModelError, match="made cannot be converted: no checkpoint of ours"):
        pull(models, models.entry("made"), now_ms=1, say=print)
    assert not models.installed()


def test_a_models_folder_is_copied_to_a_machine_without_a_network(tmp_path: Path) -> None:
    first = _models(tmp_path / "first", CONVERTED + entry_text("echo", "Echo"))
    (tmp_path / "first" / "raw.bin").write_bytes(RAW)
    (tmp_path / "first" / "echo-weights.bin").write_bytes(b"weights")
    for entry in first.catalog:
        pull(first, entry, now_ms=1, say=print)
    text = (tmp_path / "first" / "catalog.toml").read_text().replace("file:", "https://example.org/")
    second = _models(tmp_path / "second", text)
    for entry in second.catalog:
        assert pull(second, entry, now_ms=2, say=print, offline=first.folder)
        second.check(entry)
