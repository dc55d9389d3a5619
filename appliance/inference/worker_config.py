"""What a worker is told when it starts, on its standard input: no secret is in a command line. Pure."""

from __future__ import annotations

from typing import Literal

import msgspec


class WorkerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Of one worker process."""

    endpoint: str
    """What it binds: ``ipc:///path`` or ``tcp://host:port``."""
    models_folder: str
    catalogs: tuple[str, ...]
    """Paths; those that come later win."""
    device: Literal["auto", "cpu", "cuda", "tensorrt"] = "auto"
    threads: int = 0
    """Of ONNX Runtime for one model. 0: one fewer than there are cores."""
    max_memory_bytes: int = 2 * 1024**3
    """Resident memory at which it ends itself."""
    credit: int = 1024
    """Requests that it holds for one server, over all models."""
    idle_unload_s: float = 600.0
    triton_url: str = ""
    secret_key: str = ""
    """Z85. With it, CURVE: only whom `authorized` names may come. Without, only ``ipc://`` makes sense."""
    public_key: str = ""
    authorized: tuple[str, ...] = ()
    """Public keys of servers, Z85."""
    has_parent: bool = True
    """Finishes what runs, and ends, when its standard input does: the server stops, or is gone."""
    niceness: int = 0

    def __repr__(self) -> str:
        """Without the key, wherever it may be printed."""
        return f"WorkerConfig(endpoint={self.endpoint!r}, models_folder={self.models_folder!r}, …)"


EXIT_HUNG = 71
"""A model did not come back within its `entries.CatalogEntry.max_s`."""
EXIT_MEMORY = 72
"""It took more memory than `WorkerConfig.max_memory_bytes`."""
EXIT_REASONS = {EXIT_HUNG: "a model hung", EXIT_MEMORY: "it took too much memory"}
