"""Quality and speed of models, measured on this machine: what ``parley models bench --quality`` prints.

Owns the way from an installed model to its task, and from the list of recordings and pictures to their files, which are
fetched from packages as models are; what is measured is `appliance.ai.bench`'s. The tasks run in this process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from appliance.ai.bench import Figure, figures, table
from appliance.ai.bench_data import BENCH_DATA
from appliance.ai_parts import model_folder
from appliance.errors import ParleyError
from appliance.inference.entries import CatalogEntry
from appliance.inference.imports import resolve
from appliance.inference.installed import ModelError, ModelFolder
from appliance.inference.messages import Device
from appliance.inference.runtime import find_device, load_model, open_graph
from appliance.inference.sources import Sources
from appliance.inference.task import ENTRY_POINTS, Task, TaskError
from appliance.settings import Settings

Show = Callable[[str], object]


class NotMeasuredError(ParleyError):
    """A model could not be measured; why was shown already."""

    def __init__(self, message: str) -> None:
        super().__init__("models", message)


def measure(settings: Settings, entries: Sequence[CatalogEntry], show: Show, *, quick: bool) -> None:
    """Print figures of each model. NotMeasuredError names those that failed."""
    models = model_folder(settings)
    device = find_device(settings.ai.device, settings.ai.threads)
    # a processor has other work to do, a card's work is not in the processor's time
    clock = time.process_time if device.used == "cpu" else time.perf_counter
    found: list[Figure] = []
    failed = []
    with TemporaryDirectory(prefix="parley-bench-") as scratch:
        data = _data(Sources(Path(scratch), say=show), Path(scratch))
        for entry in entries:
            try:
                found += figures(entry.name, _task(models, entry, device), data, clock, quick=quick)
            except (ModelError, TaskError, ValueError) as error:
                failed.append(entry.name)
                show(f"{entry.name}: {error}")
    show(f"{device.used}, {device.threads} threads of {device.runtime}")
    show(table(found))
    if failed:
        raise NotMeasuredError(f"not measured: {', '.join(failed)}")


def _task(models: ModelFolder, entry: CatalogEntry, device: Device) -> Task:
    """What the worker makes of a model. ModelError; ValueError of the task."""
    models.check(entry)
    folder = models.path(entry)
    model = load_model(entry, folder, lambda _entry, _file, path: open_graph(path, device, models.folder / ".tensorrt"))
    task: Task = resolve(entry.processor, group=ENTRY_POINTS)(model)
    return task


def _data(sources: Sources, scratch: Path) -> Callable[[str], bytes]:
    known = {source.role: source for source in BENCH_DATA}

    @cache
    def read(role: str) -> bytes:
        source = known[role]
        to = scratch / f"data-{role}"
        sources.fetch(
            source.source, to, sha256=source.sha256, size_bytes=source.size_bytes, beside=scratch, model="bench@1"
        )
        return to.read_bytes()

    return read
