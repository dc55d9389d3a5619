"""Parley installed from its own wheel into a fresh virtual environment, outside the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def install_wheel(folder: Path) -> Path:
    """Build the wheel, install it below ``folder`` and return the environment."""
    maturin = Path(sys.executable).with_name("maturin")
    # The folder that the Makefile gives to the module: nothing is compiled again.
    target = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "appliance" / "dataplane" / "target")) / "module"
    subprocess.run(
        [maturin, "build", "-q", "--release", "--locked", "--out", folder],
        cwd=ROOT,
        check=True,
        timeout=900,
        env={**os.environ, "CARGO_TARGET_DIR": str(target)},
    )
    (wheel,) = folder.glob("*.whl")
    environment = folder / "venv"
    venv.create(environment, with_pip=True)
    python = environment / "bin" / "python"
    # The dependencies come from this environment, so that no index is asked; Parley itself from the wheel alone.
    (site_packages,) = environment.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [python, "-m", "pip", "install", "-q", "--no-deps", "--no-index", "--ignore-installed", wheel]
    subprocess.run(pip, check=True, timeout=120, cwd=folder)
    where = [python, "-c", "import appliance; print(appliance.__file__)"]
    found = subprocess.run(where, check=True, timeout=30, cwd=folder, capture_output=True, text=True).stdout
    assert found.startswith(str(environment)), found
    return environment


def environ_of(environment: Path, **more: str) -> dict[str, str]:
    """Variables of somebody whose virtual environment is active."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("PARLEY_")}
    return {
        **inherited,
        "PATH": f"{environment / 'bin'}:{inherited['PATH']}",
        # Nothing is asked of an index: what builds a package, and what it needs, come from the tests' environment.
        "PIP_NO_INDEX": "1",
        "PIP_NO_DEPS": "1",
        "PIP_NO_BUILD_ISOLATION": "0",  # pip's own way of saying "no isolation" in the environment
        **more,
    }


def run_in(commands: str, folder: Path, environ: dict[str, str]) -> str:
    """Run a shell script and return what it printed."""
    done = subprocess.run(
        ["bash", "-euc", commands], cwd=folder, env=environ, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def install_plugin(name: str, folder: Path, environ: dict[str, str]) -> None:
    """Install ``plugins/<name>`` by pip, from a copy: builds leave things beside what they build."""
    shutil.copytree(ROOT / "plugins" / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    run_in(f"python -m pip install -q ./{name}", folder, environ)
