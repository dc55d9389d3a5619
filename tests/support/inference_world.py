"""A models folder with the tasks of `inference_tasks`, and a server's `Inference` on it with real worker processes."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import trio

from appliance.inference.client import Inference
from appliance.inference.installed import ModelFolder
from appliance.inference.replies import RemoteWorker
from appliance.inference.worker_config import WorkerConfig
from tests.support.onnx_file import identity_graph

TASKS = "tests.support.inference_tasks"
_TENSOR = 'dtype = "float32", shape = ["batch", 4]'


def entry_text(
    name: str,
    task_class: str,
    *,
    task: str | None = None,
    content: bytes = b"weights",
    file: str = "weights.bin",
    tensors: bool = False,
    **more: Any,
) -> str:
    """An entry of a catalog in TOML, for one file of this content beside the catalog."""
    fields = {"name": name, "task": task or name, "version": "1", "licence": "MIT", "summary": "For tests.", **more}
    lines = ["[[models]]", *(f"{key} = {msgspec.json.encode(value).decode()}" for key, value in fields.items())]
    lines += [f'processor = "{TASKS}:{task_class}"', "[[models.files]]", 'role = "model"', f'name = "{file}"']
    lines += [f'source = "file:{name}-{file}"', f'sha256 = "{hashlib.sha256(content).hexdigest()}"']
    lines += [f"size_bytes = {len(content)}"]
    if tensors:
        lines += [f'inputs = [{{ name = "x", {_TENSOR} }}]', f'outputs = [{{ name = "y", {_TENSOR} }}]']
    return "\n".join(lines)


STANDARD = (
    entry_text("echo", "Echo", max_batch=8, duty="captions"),
    entry_text("fast", "Fast", max_batch=256),
    entry_text("slow", "Slow", duty="vision"),
    entry_text("troublesome", "Troublesome", max_s=1.0),
    entry_text("identity", "Identity", content=identity_graph(), file="y.onnx", tensors=True, max_batch=16),
)


def models_folder(
    folder: Path, entries: Sequence[str] = STANDARD, contents: Mapping[str, bytes] | None = None
) -> ModelFolder:
    """A models folder below ``folder`` in which all entries of a catalog lie. ``contents``: what really lies there, by
    model, where that is not what the catalog says."""
    catalog = folder / "catalog.toml"
    catalog.parent.mkdir(parents=True, exist_ok=True)
    catalog.write_text("\n".join(entries))
    models = ModelFolder(folder / "models", [catalog])
    for entry in models.catalog:
        path = models.path(entry)
        path.mkdir(parents=True, exist_ok=True)
        for file in entry.files:
            default = identity_graph() if file.is_graph else b"weights"
            (path / file.name).write_bytes((contents or {}).get(entry.name, default))
    return models


def worker_config(folder: Path, **changes: Any) -> WorkerConfig:
    """Of a worker on `models_folder`."""
    fields = {"device": "cpu", "threads": 1, **changes}
    return WorkerConfig(
        endpoint="", models_folder=str(folder / "models"), catalogs=(str(folder / "catalog.toml"),), **fields
    )


@asynccontextmanager
async def running(
    models: ModelFolder,
    *,
    processes: int = 1,
    remote: Sequence[RemoteWorker] = (),
    worker: Mapping[str, Any] | None = None,
    ready: bool = True,
    **more: Any,
) -> AsyncIterator[Inference]:
    """An `Inference` that serves; ``ready``: with a worker that answers."""
    config = worker_config(models.folder.parent, **(worker or {}))
    inference = Inference(models, enabled=True, local=[config] * processes, remote=remote, **more)
    async with trio.open_nursery() as nursery:
        await nursery.start(inference.serve)
        if ready:
            await inference.wait_up()
        yield inference
        nursery.cancel_scope.cancel()
