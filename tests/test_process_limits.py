"""What the process asks of the system is in force; each is tried in a process of its own."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import trio
import trio.testing

from appliance.process_limits import return_free_pages

LARGE = 8 * 2**20

MANY_FILES = """
import resource
from appliance.process_limits import allow_many_files
resource.setrlimit(resource.RLIMIT_NOFILE, (64, {hard}))
allow_many_files()
print(resource.getrlimit(resource.RLIMIT_NOFILE))
"""

# malloc(3) takes a block from mmap(2) or from a heap; VmData counts both, and only the first is given back at once.
LARGE_BLOCKS = """
import re
from pathlib import Path
from appliance.process_limits import return_large_blocks
return_large_blocks()

def resident():
    return int(re.search(r"VmRSS:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) * 1024

del [bytearray(b"x") * (2 * {large})][:]  # freed: by itself glibc would take the next, smaller ones from its heap
blocks = [bytearray(b"x") * {large} for _ in range(8)]
before = resident()
del blocks[:-1]  # the last one keeps the top of a heap in its place
print(before - resident())
"""


def _say(program: str) -> str:
    root = Path(__file__).resolve().parent.parent
    return subprocess.run(
        [sys.executable, "-c", program], cwd=root, check=True, capture_output=True, text=True, timeout=60
    ).stdout.strip()


def test_as_many_files_may_be_open_as_the_system_lets() -> None:
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    assert _say(MANY_FILES.format(hard=hard)) == str((hard, hard))


def test_large_blocks_go_back_when_they_are_freed() -> None:
    assert int(_say(LARGE_BLOCKS.format(large=LARGE))) > 6 * LARGE


def test_it_looks_again_and_again_whether_people_have_left() -> None:
    counts = [3, 2, 2]

    async def look() -> None:
        with trio.move_on_after(30.5):
            await return_free_pages(lambda: counts.pop(0))

    trio.run(look, clock=trio.testing.MockClock(autojump_threshold=0.05))
    assert counts == []
