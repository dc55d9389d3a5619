"""What a process takes."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from appliance.inference import memory
from appliance.inference.memory import cpu_seconds, gpu_bytes, read_card_table, resident_bytes

TABLE = "41, 300\n4711, 512\n4711, 20\n99, [N/A]\n"


def test_memory_that_is_taken_is_counted() -> None:
    before = resident_bytes()
    taken = bytearray(b"x") * 50_000_000
    assert resident_bytes() - before > 40_000_000
    assert len(taken) == 50_000_000
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
