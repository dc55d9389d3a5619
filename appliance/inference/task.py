"""What stands before a model and behind it: the contract between the inference worker and the code of a task.

Owns the types; refuses to know what runs a task, and how requests come. A task is a class that the model's catalog
entry names (``package.module:Class``, or the name of an entry point of the group ``parley.inference_tasks``). The
worker makes one object for each loaded model and calls it from that model's thread alone, so it needs no locks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Protocol

import msgspec

from appliance.inference.entries import CatalogEntry

ENTRY_POINTS = "parley.inference_tasks"
"""Group of entry points whose names a catalog may use for tasks of other packages."""


class TensorInfo(Protocol):
    """A graph's input or output, as ONNX Runtime describes it."""

    @property
    def name(self) -> str:
        """Of the tensor."""

    @property
    def shape(self) -> list[int | str | None]:
        """Numbers where the graph fixes them, else names or None."""

    @property
    def type(self) -> str:
        """As ``tensor(float)``."""


class Session(Protocol):
    """A graph that can be run: onnxruntime.InferenceSession, or the same graph at a Triton server."""

    def run(self, output_names: Sequence[str] | None, input_feed: Mapping[str, Any], /) -> Sequence[Any]:
        """NumPy arrays of the named outputs, of all with None. Raises what the runtime raises."""

    def get_inputs(self) -> Sequence[TensorInfo]:
        """In the graph's order."""

    def get_outputs(self) -> Sequence[TensorInfo]:
        """In the graph's order."""


class LoadedModel:
    """A catalog entry whose files lie here, are verified, and are loaded."""

    def __init__(self, entry: CatalogEntry, folder: Path, sessions: Mapping[str, Session]) -> None:
        """``sessions``: by the role of the file, one for each whose name ends in .onnx or .ort."""
        self.entry = entry
        self.folder = folder
        """Holds the entry's files, by `entries.ModelFile.name`."""
        self.sessions = sessions

    def path(self, role: str) -> Path:
        """The file with this role. KeyError when the entry has none."""
        for file in self.entry.files:
            if file.role == role:
                return self.folder / file.name
        raise KeyError(role)


class Request(msgspec.Struct, frozen=True):
    """What a model is asked."""

    options: dict[str, Any]
    """Of what JSON can say; each task documents its own. ``session``, a text, where requests belong together: they come
    to one object, in their order. ``last``: true with the last of a session."""
    payload: bytes
    """As the task wants it: PCM float32 little-endian mono, an encoded image, Opus packets."""

    @property
    def session(self) -> str | None:
        """To which stream it belongs, if to any."""
        session = self.options.get("session")
        return session if isinstance(session, str) else None


class Result(msgspec.Struct, frozen=True):
    """What the model made of it."""

    values: Any
    """Of what JSON can say, as msgspec encodes it."""
    payload: bytes = b""


class TaskError(Exception):
    """This request cannot be answered, and asking again will not help: the input is at fault, or the task's limits.

    Returned in a result's place for one request of a batch, or raised for all of them. Any other exception is the
    task's own failure: it is logged with its traceback, and the requests fail with ``task_failed``.
    """

    def __init__(self, code: str, message: str) -> None:
        """``code``: machine-readable, as ``bad_audio``; ``message``: lower case, one clause."""
        super().__init__(message)
        self.code = code
        self.message = message


class Task(Protocol):
    """The code of one task. Imported in the worker; may import numpy, PyAV and the like, and no event loop."""

    name: ClassVar[str]
    """As the catalog's ``task``: "asr", "vad", "denoise", "emotion"."""

    def __init__(self, model: LoadedModel) -> None:
        """Make ready; takes no request's time. Raises ValueError when the model is not one that it can use."""

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        """One answer for each request, in their order. At most the entry's ``max_batch`` at once, and of one session at
        most one. Called in the model's thread."""

    # Three more, where a task has use for them (looked up by name):
    #   def close(self, session: str) -> None: forget a session's state; called in the model's thread
    #   def unload(self) -> None: free what is not freed by itself; called last, in the model's thread
    #   def warm_up(self) -> Request | None: a request to run once after loading, so that the first real one is quick
