"""Models and workers from the command line: what there is, bringing, verifying, timing; our key; a worker for others.

Owns what ``parley models …`` and ``parley ai …`` print; refuses to touch a running server, which finds new models by
itself. Models lie in ``models.folder``, else in the data folder, which need not be there before.
"""

from __future__ import annotations

import resource
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import trio

from appliance.ai_parts import model_folder, worker_configs
from appliance.data_folder import make_data_folder
from appliance.errors import ConfigError, ParleyError
from appliance.inference.client import Inference
from appliance.inference.entries import CatalogEntry
from appliance.inference.installed import ModelError, ModelFolder
from appliance.inference.keys import key_pair
from appliance.inference.link import PING_EACH_S
from appliance.inference.pulling import pull
from appliance.inference.replies import InferenceError
from appliance.inference.runtime import find_device
from appliance.inference.sources import Sources
from appliance.inference.worker import Worker
from appliance.settings import Settings

Show = Callable[[str], object]

_MB = 1_000_000


class SomeFailedError(ParleyError):
    """Not everything that was asked for could be done; what failed was shown already."""

    def __init__(self, message: str) -> None:
        super().__init__("models", message)


def list_models(settings: Settings, show: Show) -> None:
    """A line for each model of the catalog, and what would compute."""
    models = model_folder(settings)
    for entry in models.catalog:
        state = "installed" if models.is_installed(entry) else "default" if entry.default else "-"
        size = f"{entry.size_bytes / _MB:.1f} MB"
        show(f"{entry.name:20}  {entry.task:10}  {entry.version:8}  {size:>9}  {state:9}  {entry.licence}")
        show(f"{'':20}  {entry.summary}")
    show(f"\nfolder: {models.folder}")
    try:
        device = find_device(settings.ai.device, settings.ai.threads)
    except ModelError as error:
        show(f"device: none, {error}")
        return
    threads = "thread" if device.threads == 1 else "threads"
    show(f"device: {device.used}, {device.threads} {threads}, {device.runtime} ({', '.join(device.available)})")
    for warning in device.warnings:
        show(f"WARNING: {warning}")


def pull_models(
    settings: Settings, names: Sequence[str], show: Show, *, every: bool, offline: Path | None, again: bool
) -> None:
    """Bring models; without names those that the catalog calls default. SomeFailedError when one could not be had."""
    if settings.models.folder == "":
        make_data_folder(Path(settings.data.folder))
    if offline is not None and not offline.is_dir():
        raise ConfigError(f"--from {offline}: is not a folder")
    models = model_folder(settings)
    failed = []
    with TemporaryDirectory(prefix="parley-models-") as scratch:
        sources = Sources(Path(scratch), offline=offline, say=show)
        for entry in _chosen(models, names, every=every):
            try:
                brought = pull(models, entry, sources, now_ms=_now_ms(), again=again)
            except (ModelError, ConfigError) as error:
                failed.append(entry.name)
                show(f"{entry.name}: {error}")
            else:
                show(f"{entry.name}: {'installed' if brought else 'is there'}")
    if failed:
        raise SomeFailedError(f"not installed: {', '.join(failed)}")


def verify_models(settings: Settings, names: Sequence[str], show: Show) -> None:
    """Compare the files of models with their hashes; without names of all that are installed."""
    models = model_folder(settings)
    wrong = []
    for entry in _chosen(models, names, every=True) if names else models.installed():
        try:
            models.check(entry)
        except ModelError as error:
            wrong.append(entry.name)
            show(str(error))
        else:
            show(f"{entry.name}: as the catalog says")
    if wrong:
        raise SomeFailedError(f"not as the catalog says: {', '.join(wrong)}")


def remove_models(settings: Settings, names: Sequence[str], show: Show) -> None:
    """Delete models' files."""
    models = model_folder(settings)
    for entry in _chosen(models, names, every=False):
        show(f"{entry.name}: {'removed' if models.remove(entry) else 'was not there'}")


def installed_models(settings: Settings, names: Sequence[str]) -> Sequence[CatalogEntry]:
    """These models; without names all that are installed. SomeFailedError when there are none."""
    models = model_folder(settings)
    chosen = _chosen(models, names, every=True) if names else models.installed()
    if not chosen:
        raise SomeFailedError("no model is installed; run: parley models pull")
    return chosen


async def bench_models(settings: Settings, names: Sequence[str], show: Show) -> None:
    """Load each model in a worker of its own and show how long that takes and what it needs."""
    models = model_folder(settings)
    chosen = installed_models(settings, names)
    show("| model | task | loaded in ms | memory MB | runs on |")
    show("|---|---|---:|---:|---|")
    failed = []
    for entry in chosen:
        try:
            show(await _time_load(models, entry, settings))
        except ParleyError as error:
            failed.append(entry.name)
            show(f"| {entry.name} | {entry.task} | {error} | | |")
    if failed:
        raise SomeFailedError(f"not loaded: {', '.join(failed)}")


async def _time_load(models: ModelFolder, entry: CatalogEntry, settings: Settings) -> str:
    inference = Inference(models, enabled=True, local=worker_configs(settings, models)[:1])
    async with trio.open_nursery() as nursery:
        await nursery.start(inference.serve)
        problem: InferenceError | None = None
        try:
            await inference.load(entry.name)
        except InferenceError as error:
            problem = error
        else:
            await trio.sleep(2 * PING_EACH_S)  # by then the worker has said what it takes
        state = next(model for model in inference.list_models() if model.name == entry.name)
        memory = inference.statistics()["workers"]["local-1"]["rss_bytes"] / _MB
        nursery.cancel_scope.cancel()
    if problem is not None:
        raise problem
    return f"| {entry.name} | {entry.task} | {state.load_ms:.0f} | {memory:.0f} | {', '.join(state.providers)} |"


def show_key(settings: Settings, show: Show) -> None:
    """Print the public half of this machine's key; drawn at the first use."""
    make_data_folder(Path(settings.data.folder))
    show(key_pair(Path(settings.data.folder)).public)


def run_worker(settings: Settings, listen: str) -> None:
    """Serve other machines' servers until SIGTERM or Ctrl-C. ConfigError, ModelError."""
    if not settings.ai.servers:
        advice = "name the key of each server that may come, as `parley ai keys` prints it there"
        raise ConfigError(f"ai.servers = []: {advice}")
    if settings.models.folder == "":
        make_data_folder(Path(settings.data.folder))
    keys = key_pair(Path(settings.data.folder))
    models = model_folder(settings)
    worker = Worker(
        worker_configs(
            settings, models, endpoint=listen, keys=keys, authorized=settings.ai.servers, has_parent=False
        )[0]
    )
    with _signals(worker):
        worker.run()


@contextmanager
def _signals(worker: Worker) -> Iterator[None]:
    before = {number: signal.signal(number, lambda *_: worker.stop()) for number in (signal.SIGTERM, signal.SIGINT)}
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # what people said would be in it
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _chosen(models: ModelFolder, names: Sequence[str], *, every: bool) -> list[CatalogEntry]:
    if names:
        return [models.entry(name) for name in names]
    return [entry for entry in models.catalog if every or entry.default]


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
