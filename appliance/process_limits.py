"""This process as the operating system sees it: memory that goes back, files that it may open.

Owns what is asked of the C library and the kernel; refuses to know what the memory was for.
"""

from __future__ import annotations

import ctypes
import resource
from collections.abc import Callable

import structlog
import trio

_log = structlog.get_logger(__name__)

# glibc raises its threshold to the largest block that was ever freed (mallopt(3)), as a busy worker's slabs; such
# blocks then come from heaps that give nothing back, and a server keeps the memory of its busiest hour. Fourteen
# meetings of three, when a packet cache was one block of 1.5 MB: 101 to 107.6 MB before, 101 to 102.8 MB with this.
_MMAP_THRESHOLD_BYTES = 1024 * 1024
_M_MMAP_THRESHOLD = -3  # malloc.h
# Smaller blocks leave free pages between others, which go back when asked for: 6 to 8 of 27 MB after 150 people had
# come and gone, in 2 ms. Looked for this often, and only when there are fewer people than at the last look.
_TRIM_EACH_S = 10.0


def return_large_blocks() -> None:
    """Have memory of ended meetings go back to the system at once."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries than glibc have none, nor the trouble
    if mallopt is not None and mallopt(_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES) != 1:
        _log.warning("memory_is_kept", reason="mallopt refused the threshold", bytes=_MMAP_THRESHOLD_BYTES)


async def return_free_pages(connected: Callable[[], int]) -> None:
    """Have memory of people who left go back to the system, for ever; in a thread, without the interpreter's lock.

    ``connected``: how many are there.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # as mallopt
    if trim is None:
        return
    before = 0
    while True:
        await trio.sleep(_TRIM_EACH_S)
        now = connected()
        if now < before:
            await trio.to_thread.run_sync(trim, 0)
        before = now


def allow_many_files() -> None:
    """One socket for each person: raise the soft limit, often 1024, to the hard one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
