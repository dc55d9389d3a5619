"""What this process takes: memory, processor time, memory of the graphics card. Linux' /proc, and ``nvidia-smi``."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_STATM = Path("/proc/self/statm")
_ASK_EACH_S = 10.0
"""nvidia-smi takes some 50 ms."""
_MIB = 1024 * 1024

_card = (float("-inf"), None)  # type: tuple[float, int | None]


def resident_bytes() -> int:
    """Resident set size (proc(5): statm, second field)."""
    return int(_STATM.read_text().split()[1]) * _PAGE_BYTES


def cpu_seconds() -> float:
    """Processor time of all threads."""
    return time.process_time()


def gpu_bytes() -> int | None:
    """Memory of graphics cards that this process has, at most ten seconds old; None where nobody knows."""
    global _card
    asked_s, known = _card
    if time.monotonic() - asked_s > _ASK_EACH_S:
        known = _ask_card()
        _card = (time.monotonic(), known)
    return known


def _ask_card() -> int | None:
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    command = [program, "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    return read_card_table(said, os.getpid())


def read_card_table(text: str, pid: int) -> int | None:
    """Bytes that the table's rows ``pid, MiB`` give to one process; None when it has no row with a number."""
    found = None
    for line in text.splitlines():
        number, _, mib = line.partition(",")
        if number.strip() == str(pid) and mib.strip().isdigit():
            found = (found or 0) + int(mib) * _MIB
    return found
