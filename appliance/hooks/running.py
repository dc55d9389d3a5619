"""All plugins of one server, from its start to its stop.

Owns starting them side by side, stopping them, and finding one by its name; refuses to know what notifications say and
when an event is told: `live`, `jobs` and `bus` are wired to it by `app`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import TypeVar

import msgspec
import structlog
import trio

from appliance.events.catalogue import TYPES
from appliance.events.envelope import Envelope
from appliance.hooks import calls
from appliance.hooks.calls import HookCall
from appliance.hooks.configuration import unread_tables
from appliance.hooks.contract import (
    HOOKS,
    Authenticator,
    Context,
    Credentials,
    EventListener,
    Hook,
    Identity,
    ModelProcessor,
    Notification,
    Notifier,
    Storage,
)
from appliance.hooks.discovery import Found, find
from appliance.hooks.dispatch import PluginStatus, Runner
from appliance.settings import PluginsSettings

T = TypeVar("T")

_log = structlog.get_logger(__name__)

# Somebody looks at a form that does not answer; `hooks.contract.Authenticator` says the same number.
AUTHENTICATE_WITHIN_S = 10.0
# A call returns by its deadline and a moment (plugin_thread); who waits for it waits longer than both.
_MARGIN_S = 5.0


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What an enabled plugin was when it last ran: what it is owed, where it cannot start today."""

    name: str
    groups: tuple[str, ...]
    events: tuple[str, ...]
    """Types that its listener wants; none where it is no listener."""


class Plugins:
    """What the rest of the server does with plugins. Unknown names are KeyError: callers get them from here."""

    def __init__(
        self,
        settings: PluginsSettings,
        runners: Iterable[Runner],
        resting: Iterable[PluginStatus],
        known: Iterable[Known] = (),
    ) -> None:
        """Built by `open_plugins`."""
        self._settings = settings
        self._known = {plugin.name: plugin for plugin in known}
        self._runners = {runner.name: runner for runner in runners}
        self._resting = {status.name: status for status in resting}

    def notifiers(self) -> list[str]:
        """Names of the enabled notifiers, those that are off and those that could not start included."""
        return self._of(Notifier)

    def authenticators(self) -> list[str]:
        """The same of authenticators, in the order of plugins.enabled."""
        return self._of(Authenticator)

    def storages(self) -> list[str]:
        """The same of storages."""
        return self._of(Storage)

    def processors(self) -> list[str]:
        """The same of model processors."""
        return self._of(ModelProcessor)

    def listeners(self) -> dict[str, frozenset[str]]:
        """Types of events that each enabled listener is owed, those that are off or could not start included.

        Of one that has not run yet: what it wanted when it last did; every type, where it never has.
        """
        return {name: self.wanted_by(name) for name in self._of(EventListener)}

    def wanted_by(self, name: str) -> frozenset[str]:
        """The types of one of `listeners`, which are known better once it runs."""
        wanted = self._runners[name].events
        if wanted is not None:
            return wanted
        known = self._known.get(name)
        # every type, where it was no listener when it last ran: it is another version today
        return frozenset((known.events if known is not None else ()) or TYPES)

    def enabled(self) -> list[str]:
        """Names of plugins.enabled, in its order."""
        return list(self._runners)

    def as_known(self, name: str) -> Known:
        """What is to be remembered of a plugin that runs, for `open_plugins` at the next start."""
        runner = self._runners[name]
        return Known(name=name, groups=runner.status().groups, events=tuple(sorted(runner.events or ())))

    def _of(self, kind: type[Hook]) -> list[str]:
        return [name for name, runner in self._runners.items() if runner.has(kind) or self._was(name, runner, kind)]

    def _was(self, name: str, runner: Runner, kind: type[Hook]) -> bool:
        """Whether a plugin whose package is gone today was of this kind."""
        known = self._known.get(name)
        return not runner.installed and known is not None and any(HOOKS.get(group) is kind for group in known.groups)

    async def wait_enabled(self, name: str, enabled: bool = True) -> None:
        """Until a plugin runs, or (False) until it does not."""
        await self._runners[name].wait_enabled(enabled)

    @property
    def answer_within_s(self) -> float:
        """A call with the usual deadline has ended by then, whatever the plugin does."""
        return self._settings.call_deadline_s + _MARGIN_S

    def hook(self, name: str, kind: type[T]) -> T:
        """What a running plugin yielded; LookupError where it runs not or is none of that kind. Not to be called."""
        return self._runners[name].hook(kind)

    async def ask(self, name: str, asked: HookCall[T], *args: object, deadline_s: float | None = None) -> T:
        """Call a hook; its checked answer. Raises as `notify`."""
        return await self._runners[name].call(asked, *args, deadline_s=deadline_s)

    async def authenticate(self, name: str, credentials: Credentials) -> Identity | None:
        """Ask an authenticator. Raises as `notify`; `Undeliverable`: it is this person, who may not sign in."""
        within_s = min(AUTHENTICATE_WITHIN_S, self._settings.call_deadline_s)
        return await self._runners[name].call(calls.AUTHENTICATE, credentials, deadline_s=within_s)

    async def notify(self, name: str, notification: Notification) -> None:
        """Have a notifier deliver. `Undeliverable`: never; `TryLater`: not now, whatever the plugin did."""
        await self._runners[name].call(calls.NOTIFY, notification)

    async def tell(self, name: str, envelope: Envelope) -> None:
        """Tell a listener. Raises as `notify`."""
        await self._runners[name].call(calls.ON_EVENT, envelope)

    def status(self, name: str) -> PluginStatus:
        """One of `list_all`."""
        runner = self._runners.get(name)
        return self._resting[name] if runner is None else runner.status()

    def list_all(self) -> list[PluginStatus]:
        """Every plugin that is enabled or installed, by name."""
        every = [*(runner.status() for runner in self._runners.values()), *self._resting.values()]
        return sorted(every, key=lambda status: status.name)

    def statistics(self) -> dict[str, dict[str, float]]:
        """Numbers of the plugins of plugins.enabled, by name."""
        return {
            name: {"enabled": float(status.state == "enabled"), **msgspec.structs.asdict(status.statistics)}
            for name, status in ((name, runner.status()) for name, runner in self._runners.items())
        }

    async def enable(self, name: str) -> PluginStatus:
        """Start one again that was switched off or could not start; how it went is the status.

        KeyError: not in plugins.enabled. StillRunningError: its last life does not end.
        """
        runner = self._runners[name]
        if runner.status().state not in ("enabled", "starting"):
            await runner.start()
        return runner.status()


@asynccontextmanager
async def open_plugins(
    settings: PluginsSettings,
    *,
    version: str,
    public_url: str,
    now_ms: Callable[[], int],
    known: Iterable[Known] = (),
    discover: Callable[[], Iterable[Found]] = find,
) -> AsyncIterator[Plugins]:
    """Start the enabled plugins and stop them at the end. Takes no longer than their deadlines, raises nothing of
    theirs. ``known``: what was remembered of earlier starts."""
    found = {plugin.name: plugin for plugin in await trio.to_thread.run_sync(lambda: tuple(discover()))}
    for name in unread_tables(settings):
        _log.warning("plugin_table_unread", table=f"plugins.{name}", reason=f"{name} is not in plugins.enabled")
    async with trio.open_nursery() as nursery:
        runners = [
            Runner(
                name,
                found.get(name),
                settings,
                Context(
                    name=name,
                    parley_version=version,
                    public_url=public_url,
                    call_deadline_s=settings.call_deadline_s,
                ),
                nursery,
                now_ms,
            )
            for name in settings.enabled
        ]
        resting = [_resting(plugin) for name, plugin in found.items() if name not in settings.enabled]
        try:
            async with trio.open_nursery() as starting:
                for runner in runners:
                    starting.start_soon(runner.start)
            yield Plugins(settings, runners, resting, known)
        finally:
            nursery.cancel_scope.cancel()
            with trio.CancelScope(shield=True):  # bounded: each stop has a deadline
                async with trio.open_nursery() as stopping:
                    for runner in runners:
                        stopping.start_soon(runner.stop)


def _resting(plugin: Found) -> PluginStatus:
    return PluginStatus(
        name=plugin.name,
        version=plugin.version,
        package=plugin.package,
        groups=plugin.groups,
        state="available" if plugin.unsupported is None else "unsupported",
        reason=plugin.unsupported,
    )
