"""One plugin under guard: its state, its calls with their deadlines, and when it is switched off.

Owns the breaker, the bound on calls that are under way, the pulse and the numbers; refuses to know the other plugins
and the plugin's thread from inside. What callers see of a plugin's misbehaviour, rubbish for an answer included, is
`TryLater`, whose reason says it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import Literal, TypeVar, cast

import msgspec
import structlog
import trio

from appliance.hooks.calls import HookCall
from appliance.hooks.configuration import configure
from appliance.hooks.contract import HOOKS, Context, EventListener, Hook, TryLater, Undeliverable
from appliance.hooks.discovery import Found, checked
from appliance.hooks.plugin_thread import CLOSE_DEADLINE_S, Answer, Failure, PluginThread
from appliance.hooks.yielded import hooks_of, types_of
from appliance.settings import PluginsSettings

T = TypeVar("T")

_log = structlog.get_logger(__name__)

# Calls of one plugin at once: each mail of a big invitation is one, and each may be a connection to one mail server.
MAX_OUTSTANDING = 32
# A loop that leaks a task with each call has so many after hours; one that works has two for each call.
MAX_TASKS = 2000
# How often a loop is asked, and in how many steps it must answer. Steps, because a machine that was suspended meanwhile
# takes up one of them and not all.
PULSE_EACH_S = 1.0
_STALL_STEP_S = 0.5
_STALL_STEPS = 10
STALL_S = _STALL_STEP_S * _STALL_STEPS

State = Literal["available", "unsupported", "starting", "enabled", "disabled", "failed"]
"""``available``: installed, not in plugins.enabled. ``failed``: could not be started. ``disabled``: switched off."""


class Statistics(msgspec.Struct, frozen=True, kw_only=True):
    """Numbers of one plugin since the server's start."""

    calls: int = 0
    succeeded: int = 0
    undeliverable: int = 0
    later: int = 0
    failed: int = 0
    refused: int = 0
    """Not called: it was off, or had too many calls under way."""
    outstanding: int = 0
    failures_in_a_row: int = 0
    latency_total_s: float = 0.0
    latency_max_s: float = 0.0


class PluginStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin as administrators see it."""

    name: str
    version: str
    package: str
    groups: tuple[str, ...]
    state: State
    reason: str | None = None
    since_ms: int | None = None
    """Of the state; None where it has none to begin with."""
    statistics: Statistics = Statistics()


class NotCalledError(TryLater):
    """The plugin was not asked, or was stopped while it was: that says nothing about what it was asked."""


class StillRunningError(Exception):
    """The plugin cannot be started: its last life does not end."""


class Runner:
    """One enabled plugin. ``found`` None: it is not installed."""

    def __init__(
        self,
        name: str,
        found: Found | None,
        settings: PluginsSettings,
        context: Context,
        nursery: trio.Nursery,
        now_ms: Callable[[], int],
    ) -> None:
        """``nursery`` holds its watch while it runs."""
        self.name = name
        self._found = found
        self._settings = settings
        self._context = context
        self._nursery = nursery
        self._now_ms = now_ms
        self._thread: PluginThread | None = None
        self._hooks: dict[type[Hook], Hook] = {}
        self._numbers = Statistics()
        self._state: State = "starting"
        self._reason: str | None = None
        self._since_ms = now_ms()
        self._turned = trio.Event()

    # --- what others see --------------------------------------------------------------------------------------------

    def status(self) -> PluginStatus:
        """Now."""
        outstanding = 0 if self._thread is None else self._thread.outstanding
        return PluginStatus(
            name=self.name,
            version="" if self._found is None else self._found.version,
            package="" if self._found is None else self._found.package,
            groups=() if self._found is None else self._found.groups,
            state=self._state,
            reason=self._reason,
            since_ms=self._since_ms,
            statistics=msgspec.structs.replace(self._numbers, outstanding=outstanding),
        )

    @property
    def installed(self) -> bool:
        """Whether a package here has a plugin of this name."""
        return self._found is not None

    def has(self, hook: type[Hook]) -> bool:
        """Whether it has the hook, by what its package says: it may be off, or have failed to start."""
        return self._found is not None and any(HOOKS[group] is hook for group in self._found.groups)

    def hook(self, kind: type[T]) -> T:
        """What it yielded of this kind; LookupError when it has not run or is none."""
        found = next((hook for hook in self._hooks.values() if isinstance(hook, kind)), None)
        if found is None:
            raise LookupError(f"plugin {self.name} has no {kind.__name__}")
        return found

    @property
    def events(self) -> frozenset[str] | None:
        """Types of events that it wants to hear of; None until it has run."""
        listener = self._hooks.get(EventListener)
        return types_of(listener.events) if isinstance(listener, EventListener) else None

    async def wait_enabled(self, enabled: bool = True) -> None:
        """Until it runs, or (False) until it does not."""
        while (self._state == "enabled") != enabled:
            await self._turned.wait()

    async def call(self, asked: HookCall[T], *args: object, deadline_s: float | None = None) -> T:
        """Call a hook and return its checked answer. Undeliverable and TryLater, and nothing else, say how it did not
        succeed; NotCalledError is a TryLater. ``deadline_s``: in place of the settings'."""
        thread = self._thread
        if self._state != "enabled" or thread is None:
            self._count(refused=1)
            raise NotCalledError(f"plugin {self.name} is {self._state}: {self._reason or 'not yet there'}")
        found = self._hooks.get(asked.hook)
        if found is None:
            raise Undeliverable(f"plugin {self.name} is no {asked.hook.__name__}")
        if thread.outstanding >= MAX_OUTSTANDING:
            self._count(refused=1)
            raise NotCalledError(f"plugin {self.name} has {thread.outstanding} calls under way")
        began = trio.current_time()
        within_s = self._settings.call_deadline_s if deadline_s is None else deadline_s
        ended = await thread.call(asked.of(found), args, within_s, asked.check)
        self._judge(thread, ended, trio.current_time() - began)
        assert isinstance(ended, Answer)  # a failure was raised
        return cast("T", ended.value)

    # --- life -------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Import and open it, within the start deadline; how it went is the state."""
        if self._found is None:
            self._set("failed", "not installed: no package here has a plugin of this name")
            return
        if self._found.unsupported is not None:
            self._set("unsupported", self._found.unsupported)
            return
        if self._thread is not None and self._thread.alive:
            raise StillRunningError(f"the thread of plugin {self.name} still runs; restart the server")
        self._set("starting", None)
        self._numbers = msgspec.structs.replace(self._numbers, failures_in_a_row=0)
        self._thread = thread = PluginThread(self.name, self._prepare, partial(hooks_of, groups=self._found.groups))
        thread.start()
        with trio.move_on_after(self._settings.start_deadline_s):
            await thread.wait_settled()
            if thread.failure is not None:
                self._set("failed", f"{thread.phase}: {thread.failure}")
                return
            self._hooks = cast("dict[type[Hook], Hook]", thread.hooks)
            self._set("enabled", None)
            self._nursery.start_soon(self._watch, thread)
            return
        self._off("failed", f"still {thread.phase} after {self._settings.start_deadline_s:g} s", thread)

    async def stop(self) -> None:
        """End it, within a little more than its own deadline."""
        thread = self._thread
        if thread is None or not thread.alive:
            return
        thread.stop()
        with trio.move_on_after(CLOSE_DEADLINE_S + 1):
            await thread.ended.wait()
        if not thread.ended.is_set():
            thread.kill()
            _log.warning("plugin_abandoned", plugin=self.name, phase=thread.phase)

    def _prepare(self, thread: PluginThread) -> AbstractAsyncContextManager[object]:
        """In the plugin's thread."""
        assert self._found is not None
        plugin = checked(self._found.load())
        thread.phase = "configuring"
        config = configure(self.name, plugin, self._settings)
        thread.phase = "opening"
        return plugin.open(config, self._context)

    async def _watch(self, thread: PluginThread) -> None:
        """While it is enabled: whether its loop goes round, and with how many tasks."""
        while self._thread is thread and self._state == "enabled":
            with trio.move_on_after(PULSE_EACH_S):
                await thread.ended.wait()
            if thread.ended.is_set():
                if self._state == "enabled":
                    self._off("disabled", f"it ended by itself: {thread.failure}", thread)
                return
            tasks = await _answer(thread)
            if self._state != "enabled":
                return
            if tasks == _NONE:
                reason = f"its event loop stood still for {STALL_S:g} s; what blocks belongs into anyio.to_thread"
                self._off("disabled", reason, thread)
            elif tasks > MAX_TASKS:
                self._off("disabled", f"{tasks} tasks in its loop, more than {MAX_TASKS}", thread)

    def _off(self, state: Literal["disabled", "failed"], reason: str, thread: PluginThread) -> None:
        self._set(state, reason)
        if thread.alive:
            thread.stop()
            self._nursery.start_soon(self._bury, thread)

    async def _bury(self, thread: PluginThread) -> None:
        """See to it that a thread that was switched off ends, and say so when it does not."""
        for insist in (False, True):
            if insist:
                thread.kill()
            with trio.move_on_after(CLOSE_DEADLINE_S + 1):
                await thread.ended.wait()
                return
        if self._thread is thread:
            self._set(self._state, f"{self._reason}; its thread still runs and ends only with the server")

    # --- judgement --------------------------------------------------------------------------------------------------

    def _judge(self, thread: PluginThread, ended: Answer | Failure, took_s: float) -> None:
        """Count a call, raise what its caller is told, and switch the plugin off where it is time to."""
        self._numbers = msgspec.structs.replace(
            self._numbers,
            latency_total_s=self._numbers.latency_total_s + took_s,
            latency_max_s=max(self._numbers.latency_max_s, took_s),
        )
        if isinstance(ended, Answer):
            self._count(calls=1, succeeded=1)
        elif ended.kind == "undeliverable":
            self._count(calls=1, undeliverable=1)
        elif ended.kind == "later":
            self._count(calls=1, later=1)
        else:
            self._count(calls=1, failed=1)
        if isinstance(ended, Answer) or ended.kind in ("undeliverable", "later"):
            self._numbers = msgspec.structs.replace(self._numbers, failures_in_a_row=0)
        elif ended.kind == "failed" and self._thread is thread and self._state == "enabled":
            self._count(failures_in_a_row=1)
            row = self._numbers.failures_in_a_row
            if row >= self._settings.max_failures:
                self._off("disabled", f"failed {row} times in a row, at last: {ended.reason}", thread)
        if isinstance(ended, Answer):
            return
        if ended.kind == "undeliverable":
            raise Undeliverable(ended.reason)
        if ended.kind == "ended":
            raise NotCalledError(f"plugin {self.name}: {ended.reason}")
        raise TryLater(ended.reason, ended.after_s)

    def _count(self, **more: int) -> None:
        changed = {name: getattr(self._numbers, name) + count for name, count in more.items()}
        self._numbers = msgspec.structs.replace(self._numbers, **changed)

    def _set(self, state: State, reason: str | None) -> None:
        self._state, self._reason, self._since_ms = state, reason, self._now_ms()
        turned, self._turned = self._turned, trio.Event()
        turned.set()
        if state == "enabled":
            _log.info("plugin_enabled", plugin=self.name)
        elif state != "starting":
            _log.error("plugin_off", plugin=self.name, state=state, reason=reason)


_NONE = -1


async def _answer(thread: PluginThread) -> int:
    """Tasks of its loop; 0 when it has ended, `_NONE` when it does not answer."""
    answer = _NONE

    async def ask(scope: trio.CancelScope) -> None:
        nonlocal answer
        answer = await thread.pulse() or 0
        scope.cancel()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(ask, nursery.cancel_scope)
        for _ in range(_STALL_STEPS):
            await trio.sleep(_STALL_STEP_S)
        nursery.cancel_scope.cancel()
    return answer
