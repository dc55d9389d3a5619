"""The web UI's message types are those of this package."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_generated_types_are_current() -> None:
    check = [sys.executable, str(ROOT / "web" / "scripts" / "generate_protocol.py"), "--check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
