"""How the process is told to stop.

Owns the signals and the deadline; refuses to know what is closed and in which order. The first SIGTERM or SIGINT asks
politely, the second one ends the process at once, and so does the deadline, whatever hangs: nobody waits for a server
that was told to go.
"""

from __future__ import annotations

import os
import signal
import threading

import structlog
import trio

_log = structlog.get_logger(__name__)

# From the first signal to the end. Service managers kill after longer (systemd/parley.service: 20 s).
DEADLINE_S = 10.0
# Of these, what connections get to end by themselves; closing the rest takes the remainder.
DRAIN_S = 5.0


class Stopping:
    """Whether, and since when, the process is asked to stop."""

    def __init__(self) -> None:
        self._asked = trio.Event()

    @property
    def asked(self) -> bool:
        """Whether the first signal came."""
        return self._asked.is_set()

    async def wait_asked(self) -> None:
        """Until the first signal comes; also hypercorn's ``shutdown_trigger``."""
        await self._asked.wait()

    async def listen(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Receive signals for ever; the second one ends the process."""
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
            task_status.started()
            async for number in signals:
                name = signal.Signals(number).name
                if self._asked.is_set():
                    _log.warning("stopped_at_once", signal=name)
                    _end(128 + number)  # what shells report for a process that a signal ended
                _log.info("stopping", signal=name, deadline_s=DEADLINE_S)
                # A thread: it ends the process even when trio's loop hangs.
                threading.Thread(target=_watch_deadline, name="deadline", daemon=True).start()
                self._asked.set()


def _watch_deadline() -> None:
    threading.Event().wait(DEADLINE_S)
    _log.error("stop_deadline_missed", deadline_s=DEADLINE_S, threads=[t.name for t in threading.enumerate()])
    _end(1)


def _end(code: int) -> None:
    """End without clean-up. The database loses nothing: what was committed is in its log."""
    os._exit(code)
