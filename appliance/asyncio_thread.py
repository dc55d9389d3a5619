"""The one asyncio event loop of the process, in a thread of its own, called from trio.

aiortc, asyncpg and redis are asyncio libraries; everything else is trio. Owns the crossing, both ways; refuses to
know what is called. Each direction has a queue and at most one wake-up under way, so a burst of calls costs one
`call_soon_threadsafe` and a burst of results one `run_sync_soon`.

Cancellation crosses: a cancelled `call` cancels its asyncio task and ends when that task has ended. Context
variables (request and meeting ids of the log) cross with each call. Whatever escapes a posted function, and an end
of the thread that nobody asked for, crashes the nursery in which `open_asyncio_thread` runs.

Rejected: trio-asyncio, measured at 5-7 times the CPU a call, and one malformed datagram ended `trio.run`; a guest
loop, because one thread then carries the latency of both.
"""

from __future__ import annotations

import asyncio
import collections
import contextvars
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeVar

import outcome
import structlog
import trio

T = TypeVar("T")
_log = structlog.get_logger(__name__)

# Tasks left over at the end get this long to clean up (close a socket, say goodbye) before the thread is abandoned.
_CLOSE_DEADLINE_S = 5.0


class AsyncioThreadError(RuntimeError):
    """The asyncio thread has ended; what was under way there is lost."""


class AsyncioThread:
    """Handle on the running thread; all methods but `send_to_trio` belong to trio's thread."""

    def __init__(self, token: trio.lowlevel.TrioToken) -> None:
        """Built by `open_asyncio_thread` only."""
        self._token = token
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._lock = threading.Lock()
        self._to_asyncio: collections.deque[Callable[[], object]] = collections.deque()
        self._asyncio_woken = False
        self._to_trio: collections.deque[Callable[[], object]] = collections.deque()
        self._trio_woken = False
        self._calls: dict[int, trio.lowlevel.Task] = {}
        self._background: set[asyncio.Task[Any]] = set()
        self._next_call = 0
        self._calls_total = 0
        self._failure: BaseException | None = None
        self._body = trio.CancelScope()
        self._ready = trio.Event()
        self._ended = trio.Event()
        self._closed = False

    # --- trio's side -------------------------------------------------------------------------------------------

    async def call(self, fn: Callable[..., Awaitable[T]], *args: Any) -> T:
        """Await ``fn(*args)`` in the asyncio thread and return or raise what it does.

        AsyncioThreadError when the thread ended meanwhile, or when something over there cancelled the task.
        """
        await trio.lowlevel.checkpoint_if_cancelled()
        self._check_open()
        self._next_call += 1
        self._calls_total += 1
        number = self._next_call
        asyncio_task: asyncio.Task[outcome.Maybe[T]] | None = None
        raise_cancel: Callable[[], Any] | None = None

        async def guarded() -> outcome.Maybe[T]:
            # SystemExit and KeyboardInterrupt raised inside an asyncio task would end the loop for everybody.
            try:
                return outcome.Value(await fn(*args))
            except (SystemExit, KeyboardInterrupt) as error:
                return outcome.Error(error)

        def done(task: asyncio.Task[outcome.Maybe[T]]) -> None:
            result: outcome.Maybe[T]
            if task.cancelled():
                result = outcome.Error(asyncio.CancelledError())
            elif (error := task.exception()) is not None:
                result = outcome.Error(error)
            else:
                result = task.result()
            self._queue_to_trio(lambda: self._finish(number, result))

        def start() -> None:
            nonlocal asyncio_task
            assert self._loop is not None
            asyncio_task = self._loop.create_task(guarded(), context=context)
            asyncio_task.add_done_callback(done)

        def cancel() -> None:
            # The queue keeps the order, so `start` has run.
            assert asyncio_task is not None
            asyncio_task.cancel()

        def abort(raise_cancelled: Callable[[], Any]) -> trio.lowlevel.Abort:
            nonlocal raise_cancel
            raise_cancel = raise_cancelled
            self._queue_to_asyncio(cancel)
            return trio.lowlevel.Abort.FAILED

        context = contextvars.copy_context()
        self._calls[number] = trio.lowlevel.current_task()
        self._queue_to_asyncio(start)
        try:
            result: T = await trio.lowlevel.wait_task_rescheduled(abort)
        except asyncio.CancelledError:
            if raise_cancel is not None:
                raise_cancel()
            # A BaseException of another library's loop must not travel through trio's nurseries.
            raise AsyncioThreadError("the call was cancelled in the asyncio thread") from self._failure
        return result

    def post(self, fn: Callable[..., object], *args: Any) -> None:
        """Run ``fn(*args)`` in the asyncio thread soon, in the order of the calls.

        An awaitable that it returns is run as a task there. An exception crashes the nursery.
        """
        self._check_open()
        context = contextvars.copy_context()
        self._queue_to_asyncio(lambda: context.run(self._run_posted, fn, args, context))

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop; touch it in the asyncio thread only."""
        assert self._loop is not None
        return self._loop

    def statistics(self) -> dict[str, int]:
        """Calls under way, calls ever made, and callbacks that wait on either side."""
        return {
            "calls_active": len(self._calls),
            "calls_total": self._calls_total,
            "tasks_background": len(self._background),
            "queued_to_asyncio": len(self._to_asyncio),
            "queued_to_trio": len(self._to_trio),
        }

    # --- asyncio's side ----------------------------------------------------------------------------------------

    def send_to_trio(self, fn: Callable[..., object], *args: Any) -> None:
        """From the asyncio thread: run ``fn(*args)`` in trio's thread soon, in the order of the calls.

        `fn` must be quick and must not raise: what it raises crashes the nursery. After trio has ended the call
        does nothing.
        """
        context = contextvars.copy_context()
        self._queue_to_trio(lambda: context.run(fn, *args))

    # --- inside ------------------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if self._failure is not None:
            raise AsyncioThreadError(f"the asyncio thread failed: {self._failure!r}") from self._failure
        if self._closed or self._loop is None:
            raise AsyncioThreadError("the asyncio thread is not running")

    def _queue_to_asyncio(self, job: Callable[[], object]) -> None:
        with self._lock:
            self._to_asyncio.append(job)
            if self._asyncio_woken:
                return
            self._asyncio_woken = True
        assert self._loop is not None
        try:
            self._loop.call_soon_threadsafe(self._drain_in_asyncio)
        except RuntimeError:  # the loop is closed: `_thread_ended` answers the calls
            return

    def _drain_in_asyncio(self) -> None:
        with self._lock:
            self._asyncio_woken = False
            jobs = list(self._to_asyncio)
            self._to_asyncio.clear()
        for job in jobs:
            job()

    def _queue_to_trio(self, job: Callable[[], object]) -> None:
        with self._lock:
            self._to_trio.append(job)
            if self._trio_woken:
                return
            self._trio_woken = True
        try:
            self._token.run_sync_soon(self._drain_in_trio)
        except trio.RunFinishedError:  # nobody is left to hear it
            return

    def _drain_in_trio(self) -> None:
        with self._lock:
            self._trio_woken = False
            jobs = list(self._to_trio)
            self._to_trio.clear()
        for job in jobs:
            try:
                job()
            except Exception as error:
                self._fail(error)

    def _finish(self, number: int, result: outcome.Outcome[Any]) -> None:
        task = self._calls.pop(number, None)
        if task is not None:
            trio.lowlevel.reschedule(task, result)

    def _run_posted(self, fn: Callable[..., object], args: tuple[Any, ...], context: contextvars.Context) -> None:
        try:
            made = fn(*args)
        except Exception as error:
            self._queue_to_trio(lambda failure=error: self._fail(failure))  # type: ignore[misc]
            return
        if isinstance(made, Awaitable):
            task = asyncio.ensure_future(made)
            self._background.add(task)  # asyncio itself holds tasks weakly
            task.add_done_callback(self._posted_done)

    def _posted_done(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._queue_to_trio(lambda: self._fail(error))

    def _fail(self, error: BaseException) -> None:
        if self._failure is None:
            self._failure = error
            self._body.cancel()

    def _thread_ended(self, error: BaseException | None) -> None:
        if error is not None or not self._closed:
            self._fail(error or AsyncioThreadError("the asyncio thread ended by itself"))
        lost = AsyncioThreadError("the asyncio thread ended")
        lost.__cause__ = self._failure
        for number in list(self._calls):
            self._finish(number, outcome.Error(lost))
        self._ended.set()

    def _on_loop_error(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """An exception nobody awaited, inside a library; it is told, and the loop goes on."""
        _log.error(
            "asyncio_unhandled",
            message=context.get("message"),
            exc_info=context.get("exception"),
        )

    def _run(self) -> None:
        error: BaseException | None = None

        async def main() -> None:
            self._loop = asyncio.get_running_loop()
            self._loop.set_exception_handler(self._on_loop_error)
            self._stop = asyncio.Event()
            self._queue_to_trio(ready)
            await self._stop.wait()

        def ready() -> None:
            self._ready.set()

        try:
            with asyncio.Runner() as runner:
                try:
                    runner.run(main())
                except BaseException as caught:
                    # Told before the runner cancels the tasks, so that their callers learn the reason.
                    self._queue_to_trio(lambda failure=caught: self._fail(failure))  # type: ignore[misc]
                    raise
        except BaseException as caught:
            error = caught
        self._queue_to_trio(lambda: self._thread_ended(error))

    async def _open(self) -> threading.Thread:
        thread = threading.Thread(target=self._run, name="asyncio", daemon=True)
        thread.start()
        with trio.CancelScope(shield=True):  # takes milliseconds; a half-open thread could not be closed
            await self._ready.wait()
        return thread

    async def _close(self) -> None:
        self._closed = True
        if not self._ended.is_set():
            assert self._loop is not None and self._stop is not None
            with suppress(RuntimeError):  # the loop is closed: `_thread_ended` is on its way
                self._loop.call_soon_threadsafe(self._stop.set)
        with trio.move_on_after(_CLOSE_DEADLINE_S, shield=True) as scope:
            await self._ended.wait()
        if scope.cancelled_caught:
            _log.error("asyncio_thread_stuck", deadline_s=_CLOSE_DEADLINE_S)


@asynccontextmanager
async def open_asyncio_thread() -> AsyncIterator[AsyncioThread]:
    """Start the thread; at the end its tasks are cancelled and the thread is joined.

    When the thread, or a posted function, fails, the body is cancelled and the exception raised here.
    """
    thread = AsyncioThread(trio.lowlevel.current_trio_token())
    os_thread = await thread._open()
    try:
        with thread._body:
            yield thread
        if isinstance(thread._failure, Exception):
            raise thread._failure
        if thread._failure is not None:  # SystemExit and the like must not end this thread silently
            raise AsyncioThreadError(f"the asyncio thread failed: {thread._failure!r}") from thread._failure
    finally:
        await thread._close()
        if thread._ended.is_set():
            os_thread.join()
