"""From settings to the parts of inference: the models folder, the workers here, the workers elsewhere.

Owns that translation, which the server and the command line share; refuses to start anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from appliance.inference.client import Inference, Meter
from appliance.inference.installed import SHIPPED, ModelFolder
from appliance.inference.keys import KeyPair, key_pair
from appliance.inference.link import Curve
from appliance.inference.replies import RemoteWorker
from appliance.inference.worker_config import WorkerConfig
from appliance.settings import Settings

# Of 19 (sched(7)): media goes first, and is never late because of a caption.
NICENESS = 5


def model_folder(settings: Settings) -> ModelFolder:
    """Where models lie, with the catalogs. ConfigError when one of those is no good."""
    folder = Path(settings.models.folder) if settings.models.folder else Path(settings.data.folder) / "models"
    return ModelFolder(folder, catalogs(settings))


def catalogs(settings: Settings) -> list[Path]:
    """Ours and the administrator's; later ones win."""
    return [SHIPPED, *(Path(path) for path in settings.models.catalogs)]


def worker_configs(
    settings: Settings,
    models: ModelFolder,
    *,
    endpoint: str = "",
    keys: KeyPair | None = None,
    authorized: Sequence[str] = (),
    has_parent: bool = True,
) -> list[WorkerConfig]:
    """One for each process of this machine, at least one where it serves others (``has_parent=False``)."""
    ai = settings.ai
    config = WorkerConfig(
        endpoint=endpoint,
        models_folder=str(models.folder.absolute()),
        catalogs=tuple(str(path.absolute()) for path in catalogs(settings)),
        device=ai.device,
        threads=ai.threads,
        max_memory_bytes=ai.max_memory_bytes,
        idle_unload_s=ai.idle_unload_s,
        triton_url=ai.triton_url,
        secret_key="" if keys is None else keys.secret,
        public_key="" if keys is None else keys.public,
        authorized=tuple(authorized),
        has_parent=has_parent,
        niceness=NICENESS if has_parent else 0,
    )
    return [config] * (ai.processes if has_parent else 1)


def make_inference(settings: Settings, meter: Meter) -> Inference:
    """The server's; nothing runs before its `serve`. The data folder must be there."""
    models = model_folder(settings)
    remote = []
    for worker in settings.ai.workers if settings.ai.enabled else ():
        endpoint, _, server_key = worker.partition(" ")
        curve = None
        if server_key:
            ours = key_pair(Path(settings.data.folder))
            curve = Curve(server_key=server_key, public_key=ours.public, secret_key=ours.secret)
        remote.append(RemoteWorker(endpoint, curve))
    return Inference(
        models,
        enabled=settings.ai.enabled,
        local=worker_configs(settings, models),
        remote=remote,
        limit=settings.ai.queue,
        limit_bytes=settings.ai.queue_bytes,
        meter=meter,
    )
