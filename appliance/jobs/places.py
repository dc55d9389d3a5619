"""Where a job's handler runs: a trio task, a thread, or a worker process with low priority.

Owns the three ways and what cancelling means in each; refuses to know the queue. A cancelled task is cancelled as any
other. A thread cannot be: it is left to its end, which nobody waits for, unless it asks `JobContext.check_cancelled`.
A process is killed.

A process job is a plain function of a module, without a context; it takes its payload and returns its result by
pickle. One that wants to report progress is a task that sends pieces to `Processes.run`.
"""

from __future__ import annotations

import os
import threading
import time
import traceback
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import anyio
import anyio.to_process
import msgspec
import trio

T = TypeVar("T")

# Of 19: what a meeting needs goes first, and what is left over is used up (sched(7): each step is about 10 %).
NICENESS = 10
# How long a worker process may outlive a killed server.
_LOOK_FOR_SERVER_EACH_S = 1.0

WorkerDiedError = anyio.BrokenWorkerProcess
"""The process ended in the middle of a job: killed for its memory, or crashed in somebody's C code."""


class TryAgainError(Exception):
    """A handler's way to say when it should be tried again."""

    def __init__(self, reason: str, after_s: float | None = None, *, counts: bool = True) -> None:
        """``after_s``: not before; with ``counts`` never less than the usual pause, and bounded. Without, it was no
        attempt: what the job needs is not there, and it may wait for ever."""
        super().__init__(reason)
        self.after_s = after_s
        self.counts = counts


class JobContext:
    """What a handler may know and say of its job."""

    def __init__(
        self,
        *,
        job_id: str,
        key: str,
        meeting_id: str | None,
        attempt: int,
        max_attempts: int,
        report: Callable[[float, str], None],
    ) -> None:
        """Built by the runner. ``report`` is called in trio's thread."""
        self.job_id = job_id
        self.key = key
        """The idempotency key, or the job's id: the same in every attempt. Effects are keyed by it."""
        self.meeting_id = meeting_id
        self.attempt = attempt
        """From 1."""
        self.max_attempts = max_attempts
        self._report = report

    def progress(self, share: float, note: str = "") -> None:
        """Say how far it is, 0 to 1. Cheap: only the last word of each second or two is written down."""
        self._report(share, note)


class ThreadContext(JobContext):
    """The same in a thread."""

    def progress(self, share: float, note: str = "") -> None:
        """As `JobContext.progress`; raises trio.Cancelled when the job is cancelled."""
        trio.from_thread.run_sync(self._report, share, note)

    def check_cancelled(self) -> None:
        """Raise trio.Cancelled when the job is cancelled; let it travel."""
        trio.from_thread.check_cancelled()


Place = Callable[[JobContext, Any], Awaitable[object]]


def in_task(handler: Callable[[JobContext, Any], Awaitable[object]]) -> Place:
    """Run an async function."""
    return handler


def in_thread(handler: Callable[[ThreadContext, Any], object]) -> Place:
    """Run a plain function in a thread."""

    async def run(context: JobContext, payload: Any) -> object:
        inner = ThreadContext(
            job_id=context.job_id,
            key=context.key,
            meeting_id=context.meeting_id,
            attempt=context.attempt,
            max_attempts=context.max_attempts,
            report=context._report,
        )
        return await trio.to_thread.run_sync(handler, inner, payload, abandon_on_cancel=True)

    return run


class Processes:
    """Worker processes, started when needed, at most so many; anyio ends them when idle for five minutes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._limiter: anyio.CapacityLimiter | None = None

    async def run(self, function: Callable[..., T], *args: Any) -> T:
        """``function(*args)`` in a worker process; WorkerDiedError when that dies. Cancelled, it is killed."""
        if self._limiter is None:
            self._limiter = anyio.CapacityLimiter(self._most)  # can only be made inside the loop
        return await anyio.to_process.run_sync(
            _with_manners, os.getpid(), function, args, cancellable=True, limiter=self._limiter
        )

    @property
    def is_full(self) -> bool:
        """Whether `run` would wait for a place."""
        return self._limiter is not None and self._limiter.available_tokens < 1

    def place(self, handler: Callable[[Any], object]) -> Place:
        """Run a plain function of a module in a process."""

        async def run(_context: JobContext, payload: Any) -> object:
            return await self.run(handler, payload)

        return run


_mannered = False


def _with_manners(server_pid: int, function: Callable[..., T], args: tuple[Any, ...]) -> T:
    """In the worker process: give way to meetings, do not outlive the server, and run."""
    global _mannered
    if not _mannered:  # a process carries out many jobs
        os.setpriority(os.PRIO_PROCESS, 0, max(NICENESS, os.getpriority(os.PRIO_PROCESS, 0)))
        threading.Thread(target=_end_with, args=(server_pid,), name="end with the server", daemon=True).start()
        _mannered = True
    try:
        return function(*args)
    except BaseException as error:
        error.add_note(f"in the worker process:\n{traceback.format_exc()}")  # pickle keeps notes, not tracebacks
        raise


def _end_with(server_pid: int) -> None:
    """End this process when its parent has gone; a job whose server was killed is carried out again elsewhere.

    Rejected: prctl(PR_SET_PDEATHSIG), which means the thread that started us, and trio's end when idle.
    """
    while os.getppid() == server_pid:
        time.sleep(_LOOK_FOR_SERVER_EACH_S)
    os._exit(1)


def encode_result(result: object) -> str | None:
    """JSON of what a handler returned; None of None. TypeError or ValueError when it cannot be."""
    return None if result is None else msgspec.json.encode(result).decode()
