"""A network namespace of one's own: loopback only, so nothing that a test starts can reach the world.

The namespace has no name: the kernel removes it with the last process inside. Refuses to know what runs in it.
"""

from __future__ import annotations

import ctypes
import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import outcome
import trio

CLONE_NEWNET = 0x40000000  # <linux/sched.h>
# Far above what waking some dozens of threads takes.
THREADS_WITHIN_S = 30.0

NETWORK = Path("/proc/thread-self/ns/net")
_STARTED_IN = NETWORK.stat().st_ino

_libc = ctypes.CDLL(None, use_errno=True)


def _checked(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")


@contextmanager
def network_namespace() -> Iterator[None]:
    """Move this thread, trio's idle worker threads and all that is started meanwhile into a fresh namespace.

    Raises PermissionError with what to do when the caller may not make one.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("a network namespace is entered by the main thread, whose children inherit it")
    home = os.open(NETWORK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            _checked(_libc.unshare(CLONE_NEWNET), "unshare")
        except PermissionError as error:
            raise PermissionError(
                "these tests run in a network namespace of their own: run them as root, as `sudo make test`"
            ) from error
        try:
            _ip("link", "set", "lo", "up")
            # Firefox gathers no candidate without a default route whose source it can use.
            _ip("route", "add", "default", "dev", "lo", "src", "127.0.0.1")
            _gather_threads()
            yield
        finally:
            _checked(_libc.setns(home, CLONE_NEWNET), "setns")
            _gather_threads()
    finally:
        os.close(home)


class Namespace:
    """One more namespace beside the one that this thread is in, for as long as this is open: a client of its own."""

    def __init__(self) -> None:
        self._file = -1

    def __enter__(self) -> Namespace:
        home = os.open(NETWORK, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.unshare(CLONE_NEWNET), "unshare")
            self._file = os.open(NETWORK, os.O_RDONLY | os.O_CLOEXEC)
            _checked(_libc.setns(home, CLONE_NEWNET), "setns")
        finally:
            os.close(home)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._file)

    @property
    def path(self) -> str:
        """For `nsenter --net=`, from a process of this user."""
        return f"/proc/{os.getpid()}/fd/{self._file}"

    @contextmanager
    def entered(self) -> Iterator[None]:
        """This thread, and what it starts meanwhile, is in it."""
        home = os.open(NETWORK, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _checked(_libc.setns(self._file, CLONE_NEWNET), "setns")
            yield
        finally:
            _checked(_libc.setns(home, CLONE_NEWNET), "setns")
            os.close(home)


def _gather_threads() -> None:
    """Bring the worker threads that trio keeps for the next use into this thread's network: where one was started, it
    stays, and the next test that got it would be in another network than its servers."""
    target = os.open(NETWORK, os.O_RDONLY | os.O_CLOEXEC)
    try:
        # Trio starts no thread while one idles: as many at once as there can be reach each of them.
        count = threading.active_count()
        together = threading.Barrier(count + 1, timeout=THREADS_WITHIN_S)

        def move() -> None:
            _checked(_libc.setns(target, CLONE_NEWNET), "setns")
            together.wait()

        failures: list[BaseException] = []

        def note(result: outcome.Outcome[None]) -> None:
            if isinstance(result, outcome.Error):
                failures.append(result.error)
                together.abort()

        for _ in range(count):
            trio.lowlevel.start_thread_soon(move, note)
        try:
            together.wait()
        except threading.BrokenBarrierError:
            raise RuntimeError(f"worker threads stayed in another network: {failures}") from None
    finally:
        os.close(target)


def inside_namespace() -> bool:
    """Whether this thread's network is another than the one that the process was started in."""
    return NETWORK.stat().st_ino != _STARTED_IN


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, timeout=10)


def firewall(rules: str) -> None:
    """Replace the rules of the namespace, in the language of nft; an empty text removes them.

    Refuses to touch the machine's own network.
    """
    if not inside_namespace():
        raise RuntimeError("firewall rules belong into a namespace")
    subprocess.run(["nft", "-f", "-"], input="flush ruleset\n" + rules, text=True, check=True, timeout=10)
