"""What the container brings is locked: files at an S3 service, and the plugins that go with it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
DOCKERFILE = (ROOT / "Dockerfile").read_text()
EXTRAS = (ROOT / "requirements-extras.lock").read_text()


def locked(name: str) -> dict[str, str]:
    """Version by package of one lock file."""
    text = (ROOT / f"requirements{name}.lock").read_text()
    return dict(re.findall(r"^([a-z0-9._-]+)==(\S+) ", text, re.MULTILINE))


def plugins() -> list[str]:
    """Folders of the plugins that are built into it."""
    return re.findall(r"\./(plugins/[a-z-]+)", DOCKERFILE)


def test_the_plugins_and_what_they_need_are_locked() -> None:
    assert plugins() == ["plugins/parley-email", "plugins/parley-webhook"]
    own = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]["s3"]
    needed, built = list(own), set()
    for folder in plugins():
        project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())
        needed += project["project"]["dependencies"]
        built |= set(project["build-system"]["requires"])
    extras, build = locked("-extras"), locked("-build")
    for requirement in needed:
        assert re.split(r"[<>=\[]", requirement)[0] in extras, requirement
    for requirement in built:
        assert re.split(r"[<>=]", requirement)[0].replace("_", "-") in build, requirement


def test_it_brings_the_versions_that_are_tested() -> None:
    extras = locked("-extras")
    tested = locked("-test") | locked("")
    assert extras.items() <= tested.items()
    for part in re.split(r"^(?=[a-z0-9._-]+==)", EXTRAS, flags=re.MULTILINE):
        assert not part.strip() or "--hash=sha256:" in part, part[:40]


def test_every_lock_that_it_installs_is_checked_by_hashes() -> None:
    installed = re.findall(r"pip install .*?-r (?:/tmp/)?(\S+\.lock)", DOCKERFILE)
    assert installed == ["requirements-build.lock", "requirements.lock", "requirements-extras.lock"]
    assert all("--require-hashes" in line for line in DOCKERFILE.splitlines() if "-r " in line and ".lock" in line)
