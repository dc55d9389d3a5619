"""A thread with a trio loop for one plugin, and the way into it from the server's loop.

Owns import, opening, calls, pulse and end over there, the look at each answer, and the translation of whatever a plugin
raises into one sentence; refuses to judge (dispatch does). Methods belong to the server's trio thread; those marked
"over there" to the plugin's. Nothing that a plugin does is waited for without a bound, except by who says so: a thread
cannot be stopped against its will, so one that does not end is abandoned as a daemon.
"""

from __future__ import annotations

import ctypes
import inspect
import threading
from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Literal, cast

import msgspec
import structlog
import trio

from appliance.errors import ConfigError
from appliance.hooks.calls import RubbishError
from appliance.hooks.contract import TryLater, Undeliverable
from appliance.hooks.discovery import RefusedPluginError

_log = structlog.get_logger(__name__)

# A plugin's clean-up may take this long, as to close a connection; the server's own stop waits for it too.
CLOSE_DEADLINE_S = 3.0
# After a call's deadline its cancellation needs a moment to arrive and come back over two busy threads.
_GRACE_S = 1.0
# Each time that a coroutine is told to end it may wait once more on its way out.
_CLOSE_TRIES = 10
# A reason is a sentence on the administrator's page; a plugin may raise a text of any length.
_REASON_MAX = 300

FailureKind = Literal["undeliverable", "later", "failed", "ended"]


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """How a call did not succeed."""

    kind: FailureKind
    reason: str
    after_s: float | None = None


class Answer(msgspec.Struct, frozen=True):
    """How a call succeeded."""

    value: object
    """What the check of the answer returned."""


class _Call:
    """One call on its way; ``done`` and ``ended`` are the server's, ``scope`` is over there."""

    def __init__(self, args: tuple[object, ...], deadline_s: float, check: Callable[[object], object]) -> None:
        self.args = args
        self.deadline_s = deadline_s
        self.check = check
        self.done = trio.Event()
        self.ended: Answer | Failure = Failure(kind="ended", reason="it has ended")
        self.scope = trio.CancelScope()


class PluginThread:
    """One life of one plugin."""

    def __init__(
        self,
        name: str,
        prepare: Callable[[PluginThread], AbstractAsyncContextManager[object]],
        accept: Callable[[object], object],
    ) -> None:
        """``prepare`` runs over there first: imports, and returns the context manager of the plugin's life. ``accept``
        looks at what that yields, over there too, and returns what is kept of it."""
        self._name = name
        self._prepare = prepare
        self._accept = accept
        self._server = trio.lowlevel.current_trio_token()
        self._thread = threading.Thread(target=self._run, name=f"plugin {name}", daemon=True)
        self._lock = threading.Lock()
        self._token: trio.lowlevel.TrioToken | None = None
        self._stopping = False
        self._life = trio.CancelScope()
        self._root: trio.lowlevel.Task | None = None
        self._nursery: trio.Nursery | None = None
        self._calls: set[_Call] = set()
        self._settled = trio.Event()
        self.ended = trio.Event()
        self.phase = "importing"
        """What it was doing last, for people; written over there."""
        self.hooks: object = None
        """What ``open`` yielded, accepted."""
        self.failure: str | None = None
        """Why it ended; None while it lives, and after an end that was asked for."""

    @property
    def alive(self) -> bool:
        """Whether the thread runs the plugin, asked to or not."""
        return self._thread.is_alive() and not self.ended.is_set()

    @property
    def outstanding(self) -> int:
        """Calls that are not done over there, given up here or not."""
        return len(self._calls)

    def start(self) -> None:
        """Begin; `wait_settled` says when it is open or has ended."""
        self._thread.start()

    async def wait_settled(self) -> None:
        """Until it is open, or has ended; for ever where the plugin takes that long."""
        await self._settled.wait()

    async def call(
        self, hook: Callable[..., Any], args: tuple[object, ...], deadline_s: float, check: Callable[[object], object]
    ) -> Answer | Failure:
        """Await ``hook(*args)`` over there, and look at what it returns with ``check``, which raises RubbishError.
        Returns by the deadline, whatever happens there."""
        call = _Call(args, deadline_s, check)
        self._calls.add(call)
        try:
            if not self._post(self._begin, call, hook):
                self._finish(call, Failure(kind="ended", reason="it has ended"))
            with trio.move_on_after(deadline_s + _GRACE_S):
                await call.done.wait()
        finally:
            if not call.done.is_set():
                self._post(call.scope.cancel)
        if not call.done.is_set():
            return Failure(kind="failed", reason=f"no answer within {deadline_s:g} s, and it does not let go")
        return call.ended

    async def pulse(self) -> int | None:
        """Tasks of its loop as soon as the loop comes round; None when it has ended. For ever while it stands still."""
        answer: list[int] = []
        beaten = trio.Event()

        def beat() -> None:
            self._tell(hear, trio.lowlevel.current_statistics().tasks_living)

        def hear(tasks: int) -> None:
            answer.append(tasks)
            beaten.set()

        if not self._post(beat):
            return None
        async with trio.open_nursery() as nursery:
            for event in (beaten, self.ended):
                nursery.start_soon(_cancel_after, event, nursery.cancel_scope)
        return answer[0] if answer else None

    def stop(self) -> None:
        """Ask it to end: calls are cancelled, then its clean-up has `CLOSE_DEADLINE_S`. Does not wait."""
        with self._lock:
            self._stopping = True
        self._post(self._stop_over_there)

    def kill(self) -> None:
        """Raise SystemExit in it at its next step of Python, against its will.

        Ends a loop that spins, and one that sleeps as soon as it wakes; not what waits in C. Python documents the
        call as one for debuggers: it may strike anywhere, but this thread holds nothing that others use.
        """
        ident = self._thread.ident
        if ident is not None and self._thread.is_alive():
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(ident), ctypes.py_object(SystemExit))

    # --- the way over and back ---------------------------------------------------------------------------------------

    def _post(self, fn: Callable[..., object], *args: object) -> bool:
        """Run over there soon; whether there is a loop for it."""
        with self._lock:
            token = self._token
        if token is None:
            return False
        try:
            token.run_sync_soon(fn, *args)
        except trio.RunFinishedError:
            return False
        return True

    def _tell(self, fn: Callable[..., object], *args: object) -> None:
        """Over there: run in the server's loop soon."""
        try:
            self._server.run_sync_soon(fn, *args)
        except trio.RunFinishedError:  # the server is gone, and an abandoned thread talks to nobody
            return

    # --- over there --------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        failure: str | None = None
        try:
            manager = self._prepare(self)
            trio.run(self._live, manager)
            if not self._stopping:
                failure = "its open() returned by itself"
        except BaseException as error:  # SystemExit too: in this thread it is the plugin's doing
            failure = reason_of(error)
            if not isinstance(error, (ConfigError, RefusedPluginError)):
                _log.warning("plugin_ended", plugin=self._name, phase=self.phase, exc_info=error)
        try:
            if self._root is not None:
                _close_all(self._root)
        finally:  # a second kill strikes here too
            self._tell(self._has_ended, failure)

    async def _live(self, manager: AbstractAsyncContextManager[object]) -> None:
        self._root = trio.lowlevel.current_root_task()
        with self._lock:
            self._token = trio.lowlevel.current_trio_token()
            if self._stopping:
                self._life.cancel()
        with self._life:
            async with manager as yielded:
                self.phase = "looking at its hooks"
                hooks = self._accept(yielded)
                self.phase = "running"
                async with trio.open_nursery() as self._nursery:
                    self._tell(self._has_opened, hooks)
                    await trio.sleep_forever()

    def _stop_over_there(self) -> None:
        if self._nursery is None:
            self._life.cancel()
        else:
            self._nursery.cancel_scope.cancel()
            self._life.deadline = trio.current_time() + CLOSE_DEADLINE_S

    def _begin(self, call: _Call, hook: Callable[..., Any]) -> None:
        try:
            assert self._nursery is not None  # nobody calls before `open` has yielded
            self._nursery.start_soon(self._serve, call, hook)
        except RuntimeError:  # the nursery is closed
            self._tell(self._finish, call, Failure(kind="ended", reason="it has ended"))

    async def _serve(self, call: _Call, hook: Callable[..., Any]) -> None:
        late = Failure(kind="failed", reason=f"not done within {call.deadline_s:g} s")
        ended: Answer | Failure = late
        try:
            call.scope.deadline = trio.current_time() + call.deadline_s
            with call.scope:
                answer = hook(*call.args)
                if inspect.isawaitable(answer):
                    ended = Answer(call.check(await answer))
                else:
                    ended = Failure(kind="failed", reason="the hook is not async")
            if call.scope.cancelled_caught:
                ended = late
        except RubbishError as error:
            ended = Failure(kind="failed", reason=f"the hook {reason_of(error)}")
        except BaseException as error:  # what one call raises ends that call
            ended = self._failure_of(error)
        self._tell(self._finish, call, ended)

    def _failure_of(self, error: BaseException) -> Failure:
        while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
            error = error.exceptions[0]  # a task group of the plugin is around it
        if isinstance(error, trio.Cancelled):
            return Failure(kind="ended", reason="it was being stopped")
        if isinstance(error, Undeliverable):
            return Failure(kind="undeliverable", reason=reason_of(error))
        if isinstance(error, TryLater):
            after_s = error.after_s if isinstance(error.after_s, (int, float)) and error.after_s >= 0 else None
            return Failure(kind="later", reason=reason_of(error), after_s=after_s)
        _log.warning("plugin_failed", plugin=self._name, exc_info=error)
        return Failure(kind="failed", reason=reason_of(error))

    # --- told from over there ----------------------------------------------------------------------------------------

    def _has_opened(self, hooks: object) -> None:
        self.hooks = hooks
        self._settled.set()

    def _has_ended(self, failure: str | None) -> None:
        self.failure = failure
        self.ended.set()
        self._settled.set()
        for call in list(self._calls):
            self._finish(call, Failure(kind="ended", reason=failure or "it was being stopped"))

    def _finish(self, call: _Call, ended: Answer | Failure) -> None:
        if not call.done.is_set():
            call.ended = ended
            call.done.set()
        self._calls.discard(call)


def _close_all(root: trio.lowlevel.Task) -> None:
    """Close what a loop that was killed left suspended, in its own thread and in no loop.

    Otherwise the garbage collector does, in whichever thread it happens to run: clean-up of the plugin, endless where
    it was endless before, would stand in the server's. By SystemExit, since before Python 3.13 a coroutine that is
    closed leaves the asynchronous generator alone that it waits for, and ``open`` is one.
    """
    tasks = [root]
    for task in tasks:  # grows as it goes: parents before children
        for nursery in task.child_nurseries:
            tasks += nursery.child_tasks
            # A nursery that is collected with children complains on stderr; trio has no public way to empty one.
            getattr(nursery, "_children", set()).clear()
    for task in reversed(tasks):
        for _ in range(_CLOSE_TRIES):
            if inspect.getcoroutinestate(cast("Coroutine[Any, Any, Any]", task.coro)) == inspect.CORO_CLOSED:
                break
            try:
                task.coro.throw(SystemExit())
            except BaseException as error:  # every await on its way out raises, for there is no loop any more
                _log.debug("plugin_task_closed", task=task.name, error=repr(error))


async def _cancel_after(event: trio.Event, scope: trio.CancelScope) -> None:
    await event.wait()
    scope.cancel()


def reason_of(error: BaseException) -> str:
    """One printable line of bounded length about an error, whatever its ``__str__`` does."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    try:
        text = str(error)
    except Exception as second:
        text = f"its text cannot be made: {type(second).__name__}"
    if not isinstance(error, (ConfigError, RefusedPluginError, RubbishError, Undeliverable, TryLater)):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    line = " ".join("".join(char if char.isprintable() else " " for char in text[: 4 * _REASON_MAX]).split())
    return line if len(line) <= _REASON_MAX else line[: _REASON_MAX - 1] + "…"
