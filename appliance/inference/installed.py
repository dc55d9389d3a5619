"""The models folder: which models lie in it, whether their files are the right ones, how they get in and out.

Owns the layout::

    <models folder>/
      silero-vad@6.2.3/          one folder for each version of each model, whole or absent
        manifest.json            written by us: hashes, where it came from
        silero_vad.onnx
      .partial-…/                what is being brought; removed when that fails
      pins.json                  what is to stay loaded, as an administrator said

Refuses to know how files are fetched (`sources`). A folder that was copied to a machine without a network works as it
is: the catalog says the hashes, not the manifest.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkdtemp

import msgspec

from appliance.errors import ConfigError, ParleyError
from appliance.inference.entries import Catalog, CatalogEntry, ModelFile, read_catalog

SHIPPED = Path(__file__).with_name("models") / "catalog.toml"
"""Comes with Parley: models/ of the repository."""
_MANIFEST = "manifest.json"
_PINS = "pins.json"
_PARTIAL = ".partial-"
_BLOCK_BYTES = 1024 * 1024


class ModelError(ParleyError):
    """A model's files are not there, not whole, or not what the catalog says. ``code``: ``model_not_installed``,
    ``model_broken``, ``model_unknown``, ``model_unavailable`` (its source cannot be reached)."""


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What we noted when a model was brought."""

    name: str
    version: str
    sha256: dict[str, str]
    """By file name."""
    origin: str
    """``sources``, or the folder that it was taken from."""
    made_at_ms: int = 0


class ModelFolder:
    """A models folder and the catalogs that say what may be in it. Reads the disk at each call; nothing is kept."""

    def __init__(self, folder: Path, catalogs: Sequence[Path] = (SHIPPED,)) -> None:
        """ConfigError when a catalog is no good. An entry of a later one replaces one of the same name."""
        self.folder = folder
        entries: dict[str, CatalogEntry] = {}
        self._bases: dict[str, Path] = {}
        for path in catalogs:
            try:
                text = path.read_text("utf-8")
            except OSError as error:
                raise ConfigError(f"models.catalogs: {path}: {error.strerror}") from None
            for entry in read_catalog(text, str(path)):
                entries[entry.name] = entry
                self._bases[entry.name] = path.parent
        self.catalog = Catalog(tuple(entries.values()))

    def entry(self, name: str) -> CatalogEntry:
        """ModelError ``model_unknown``, with the names that there are."""
        entry = self.catalog.get(name)
        if entry is None:
            known = ", ".join(entry.name for entry in self.catalog) or "none"
            raise ModelError("model_unknown", f"no model is called {name!r}; the catalog has: {known}")
        return entry

    def beside_catalog(self, entry: CatalogEntry) -> Path:
        """Where ``file:`` sources of this entry lie."""
        return self._bases[entry.name]

    def path(self, entry: CatalogEntry) -> Path:
        """Its folder, whether it is there or not."""
        return self.folder / f"{entry.name}@{entry.version}"

    def is_installed(self, entry: CatalogEntry) -> bool:
        """Whether its files are there; `check` says whether they are the right ones."""
        path = self.path(entry)
        return all((path / file.name).is_file() for file in entry.files)

    def installed(self) -> tuple[CatalogEntry, ...]:
        """Those of the catalog whose files are there."""
        return tuple(entry for entry in self.catalog if self.is_installed(entry))

    def check(self, entry: CatalogEntry) -> None:
        """Read every file and compare hashes. ModelError that names the file and both hashes."""
        path = self.path(entry)
        if not self.is_installed(entry):
            raise ModelError("model_not_installed", f"{entry.name} is not installed; run: {entry.hint()}")
        manifest = self._manifest(path)
        for file in entry.files:
            wanted = file.sha256 or (manifest.sha256.get(file.name) if manifest is not None else None)
            if wanted is None:
                reason = f"{entry.name}: {file.name} was converted, and no {_MANIFEST} says its hash"
                raise ModelError("model_broken", f"{reason}; run: {entry.hint()} --again")
            found = sha256_of(path / file.name)
            if found != wanted:
                raise ModelError("model_broken", f"{entry.name}: {file.name} has SHA-256 {found} instead of {wanted}")

    @contextmanager
    def bringing(self, entry: CatalogEntry) -> Iterator[Path]:
        """A folder to put the entry's files into; becomes the model's own at the end, is removed after an exception."""
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = Path(mkdtemp(prefix=f"{_PARTIAL}{entry.name}-", dir=self.folder))
        try:
            yield partial
            self._take(entry, partial)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def note(self, entry: CatalogEntry, partial: Path, *, origin: str, now_ms: int) -> None:
        """Write the manifest, with the hashes of what is there. ModelError when a file is missing or another one."""
        hashes = {}
        for file in entry.files:
            hashes[file.name] = check_file(partial / file.name, file)
        manifest = Manifest(name=entry.name, version=entry.version, sha256=hashes, origin=origin, made_at_ms=now_ms)
        (partial / _MANIFEST).write_bytes(msgspec.json.format(msgspec.json.encode(manifest)))

    def remove(self, entry: CatalogEntry) -> bool:
        """Delete its files; False when there were none."""
        path = self.path(entry)
        if not path.exists():
            return False
        gone = Path(mkdtemp(prefix=_PARTIAL, dir=self.folder))
        path.rename(gone / "model")  # whole or absent, whoever looks meanwhile
        shutil.rmtree(gone)
        return True

    def pins(self) -> frozenset[str]:
        """Names of the models that are to stay loaded."""
        try:
            return frozenset(msgspec.json.decode((self.folder / _PINS).read_bytes(), type=list[str]))
        except FileNotFoundError:
            return frozenset()
        except msgspec.DecodeError as error:
            raise ModelError("model_broken", f"{self.folder / _PINS}: {error}") from None

    def pin(self, entry: CatalogEntry, pinned: bool) -> None:
        """Note that it is to stay loaded, or no longer."""
        pins = self.pins() | {entry.name} if pinned else self.pins() - {entry.name}
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = self.folder / f"{_PARTIAL}{_PINS}"
        partial.write_bytes(msgspec.json.encode(sorted(pins)))
        partial.replace(self.folder / _PINS)

    def _manifest(self, path: Path) -> Manifest | None:
        try:
            return msgspec.json.decode((path / _MANIFEST).read_bytes(), type=Manifest)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            raise ModelError("model_broken", f"{path / _MANIFEST}: {error}") from None

    def _take(self, entry: CatalogEntry, partial: Path) -> None:
        partial.chmod(0o755)
        self.remove(entry)
        partial.rename(self.path(entry))


def check_file(path: Path, file: ModelFile) -> str:
    """The file's SHA-256. ModelError when it is missing, or the catalog has another one."""
    if not path.is_file():
        raise ModelError("model_broken", f"{file.name} was not made")
    found = sha256_of(path)
    if file.sha256 is not None and found != file.sha256:
        raise ModelError("model_broken", f"{file.name} has SHA-256 {found} instead of {file.sha256}: refused")
    return found


def sha256_of(path: Path) -> str:
    """Of a file's bytes, in hexadecimal. OSError."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
