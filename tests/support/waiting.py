"""Waits for what has no event of its own to wait for: rows, counters, another process."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

import trio


async def until(condition: Callable[[], Any], *, within_s: float = 15.0, each_s: float = 0.02) -> Any:
    """The first truthy value of ``condition``, which may be async; TooSlowError when none comes in time."""
    with trio.fail_after(within_s):
        while True:
            value = condition()
            if inspect.isawaitable(value):
                value = await value
            if value:
                return value
            await trio.sleep(each_s)


def wait_for(condition: Callable[[], Any], *, within_s: float = 15.0, each_s: float = 0.02) -> Any:
    """The same for tests that are no trio tasks."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(each_s)
    return value
