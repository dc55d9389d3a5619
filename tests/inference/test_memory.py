"""What a process takes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from appliance.inference import memory
from appliance.inference.memory import cpu_seconds, gpu_bytes, read_card_table, resident_bytes

ROOT = Path(__file__).resolve().parents[2]
TABLE = "41, 300\n4711, 512\n4711, 20\n99, [N/A]\n"


TAKE = """
from appliance.inference.memory import cpu_seconds, resident_bytes
before = resident_bytes()
taken = bytearray(b"x") * 50_000_000
print(resident_bytes() - before, cpu_seconds())
"""


def test_memory_that_is_taken_is_counted() -> None:
    """In a process of its own: one that has run a thousand tests has freed memory to take it from."""
    said = subprocess.run([sys.executable, "-c", TAKE], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    more_bytes, cpu_s = said.split()
    assert 40_000_000 < int(more_bytes) < 80_000_000
    assert float(cpu_s) > 0
    assert 10_000_000 < resident_bytes() < 100_000_000_000
    assert cpu_seconds() > 0


def test_the_cards_table_is_read() -> None:
    assert read_card_table(TABLE, 4711) == 532 * 1024 * 1024
    assert read_card_table(TABLE, 99) is None
    assert read_card_table("No running processes found", 1) is None


def test_the_program_that_knows_the_card_is_asked_seldom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!{sys.executable}\nimport os\nprint(f'{{os.getppid()}}, 7')\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(memory, "_card", (float("-inf"), None))
    assert gpu_bytes() == 7 * 1024 * 1024
    program.unlink()
    assert gpu_bytes() == 7 * 1024 * 1024
    monkeypatch.setattr(memory, "_card", (float("-inf"), None))
    assert gpu_bytes() is None
