"""Tests in a network namespace leave no thread behind in it, and take none in from outside."""

from __future__ import annotations

import threading

import trio

from tests.support.netns import NETWORK, network_namespace

THREADS = 5


def _networks() -> set[int]:
    """Of trio's worker threads, several at once."""
    found: set[int] = set()
    together = threading.Barrier(THREADS, timeout=20)

    def look() -> None:
        together.wait()
        found.add(NETWORK.stat().st_ino)

    async def ask() -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(THREADS):
                nursery.start_soon(trio.to_thread.run_sync, look)

    trio.run(ask)
    return found


def test_worker_threads_are_where_the_test_is() -> None:
    outside = {NETWORK.stat().st_ino}
    assert _networks() == outside
    with network_namespace():
        inside = {NETWORK.stat().st_ino}
        assert inside != outside
        assert _networks() == inside
    assert _networks() == outside
