"""Signals: the first one asks, the second one ends, and so does the deadline. In real processes."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

LISTENER = """
import sys, time, trio
from appliance import stopping

stopping.DEADLINE_S = float(sys.argv[2])

async def main():
    asked = stopping.Stopping()
    async with trio.open_nursery() as nursery:
        await nursery.start(asked.listen)
        print("listening", flush=True)
        await asked.wait_asked()
        assert asked.asked
        print("asked", flush=True)
        if sys.argv[1] == "polite":
            nursery.cancel_scope.cancel()
        elif sys.argv[1] == "hanging":
            time.sleep(60)

trio.run(main)
print("ended", flush=True)
"""

pytestmark = pytest.mark.slow


@contextmanager
def _listener(kind: str, deadline_s: float = 30) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", LISTENER, kind, str(deadline_s)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        _wait_for(process, "listening")
        yield process
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def _wait_for(process: subprocess.Popen[str], word: str) -> None:
    assert process.stdout is not None
    while (line := process.stdout.readline()).strip() != word:  # the log is between
        assert line, f"ended without {word!r}"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_asks(number: signal.Signals) -> None:
    with _listener("polite") as process:
        process.send_signal(number)
        _wait_for(process, "ended")
        assert process.wait(10) == 0


def test_the_second_signal_ends_at_once() -> None:
    with _listener("slow") as process:
        process.send_signal(signal.SIGTERM)
        _wait_for(process, "asked")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 128 + signal.SIGINT


@pytest.mark.parametrize("kind", ["slow", "hanging"])
def test_the_deadline_ends_even_a_loop_that_hangs(kind: str) -> None:
    with _listener(kind, 0.2) as process:
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 1
