"""Plugins from the command line: what is installed, what one takes, whether the settings fit, and a try.

Owns what ``parley plugins …`` prints; refuses to touch a running server, whose plugins' state is in its API, and to
know what a hook is tried with (`plugin_samples`). ``list`` imports nothing; ``info``, ``check`` and ``try`` run the
plugin's code as the server would.
"""

from __future__ import annotations

import getpass
import queue
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

import msgspec

from appliance import plugin_samples
from appliance.errors import ConfigError, ParleyError
from appliance.hooks.configuration import configure, keys, unread_tables
from appliance.hooks.contract import HOOKS, Plugin, TryLater, Undeliverable
from appliance.hooks.discovery import Found, RefusedPluginError, checked, find
from appliance.hooks.plugin_thread import reason_of
from appliance.hooks.running import Plugins, open_plugins
from appliance.plugin_samples import SampleFailedError
from appliance.plugin_storage import PREFIX
from appliance.settings import PluginsSettings, Settings

Show = Callable[[str], object]

_PROCESSORS = "parley.model_processors"
_STORAGE = "parley.storage"
# What each group's hook does, for administrators.
_WHAT = {
    "parley.notifiers": "carries notifications to people",
    "parley.event_listeners": "is told what happens",
    "parley.authentication": "knows accounts that Parley does not",
    _STORAGE: 'keeps files, where [storage] kind = "plugin:{name}" says so',
    _PROCESSORS: "stands before and behind a model; in this version `parley plugins check` and `try` run it, on its"
    " sample, and nothing else does: the inference worker comes with the AI functions",
}


class TryFailedError(ParleyError):
    """A plugin did not do what it was asked to."""

    def __init__(self, message: str) -> None:
        super().__init__("plugin", message)


def read_password() -> str:
    """Somebody's password: asked on a terminal, else the first line of standard input."""
    return getpass.getpass("Password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")


def list_installed(settings: Settings, show: Show) -> None:
    """A line for each plugin that is installed or enabled; nothing is imported."""
    found = {plugin.name: plugin for plugin in find()}
    for name in sorted({*found, *settings.plugins.enabled}):
        plugin = found.get(name)
        if plugin is None:
            show(f"{name}  -  not installed  (plugins.enabled)")
            continue
        state = "enabled" if name in settings.plugins.enabled else "available"
        if plugin.unsupported is not None:
            state = f"unsupported: {plugin.unsupported}"
        groups = ", ".join(group.removeprefix("parley.") for group in plugin.groups)
        show(f"{name}  {plugin.version}  {state}  {groups}  ({plugin.package})")


def describe(settings: Settings, name: str, show: Show) -> None:
    """One plugin and the keys that it takes. ConfigError when there is none that can be used."""
    found = next((plugin for plugin in find() if plugin.name == name), None)
    if found is None:
        raise ConfigError(f"{name}: not installed; `parley plugins list` shows what is")
    plugin = _loaded(found, settings.plugins)
    show(f"{name} {found.version} ({found.package}), contract {plugin.contract}")
    show(plugin.summary)
    for group in found.groups:
        show(f"  {group}: {HOOKS[group].__name__}, {_WHAT[group].format(name=name)}")
    for key in keys(plugin):
        show(f"  {key.name}: {key.kind}, {'must be set' if key.default is None else f'default {key.default}'}")


async def check(settings: Settings, *, version: str, show: Show) -> list[str]:
    """Import every enabled plugin and read its settings; returns what is wrong, a sentence each.

    A model processor is started, too, and given its own sample.
    """
    found = {plugin.name: plugin for plugin in find()}
    wrong = []
    for name in settings.plugins.enabled:
        try:
            if name not in found:
                raise ConfigError(f"plugins.{name}: not installed; `parley plugins list` shows what is")
            configure(name, _loaded(found[name], settings.plugins), settings.plugins)
            fault = await _process_sample(settings, name, version) if _PROCESSORS in found[name].groups else None
            if fault is not None:
                raise ConfigError(f"plugins.{name}: {fault}")
        except ConfigError as error:
            wrong.append(str(error))
        else:
            show(f"plugins.{name}: good")
    wrong.extend(_storage_fault(settings, found))
    wrong.extend(
        f"plugins.{name}: a table that nobody reads: {name} is not in plugins.enabled"
        for name in unread_tables(settings.plugins)
    )
    return wrong


def _storage_fault(settings: Settings, found: Mapping[str, Found]) -> list[str]:
    """Why files cannot lie where ``storage.kind`` says, as far as that is a plugin's; that it is enabled is checked
    with the settings."""
    name = settings.storage.kind.removeprefix(PREFIX)
    if not settings.storage.kind.startswith(PREFIX) or name not in found or _STORAGE in found[name].groups:
        return []
    has = ", ".join(group.removeprefix("parley.") for group in found[name].groups)
    return [f"storage.kind: {settings.storage.kind!r}: {name} is no plugin for storage, it has {has}"]


async def _process_sample(settings: Settings, name: str, version: str) -> str | None:
    """Why a model processor does not make of its sample what it should; None when it does."""
    async with _alone(settings, name, version) as plugins:
        status = plugins.status(name)
        if status.state != "enabled":
            return f"{status.state}: {status.reason}"
        try:
            await plugin_samples.process(plugins, name)
        except (SampleFailedError, TryLater, Undeliverable) as error:
            return f"its sample: {error}"
    return None


def _loaded(found: Found, settings: PluginsSettings) -> Plugin:  # type: ignore[type-arg]  # of any config
    """Import it within the start deadline, in a thread that is left behind when it does not come back."""
    if found.unsupported is not None:
        raise ConfigError(f"plugins.{found.name}: {found.unsupported}")
    answers: queue.SimpleQueue[object] = queue.SimpleQueue()

    def load() -> None:
        try:
            answers.put(checked(found.load()))
        except BaseException as error:  # SystemExit too: the plugin's doing
            answers.put(error)

    threading.Thread(target=load, name=f"plugin {found.name}", daemon=True).start()
    try:
        answer = answers.get(timeout=settings.start_deadline_s)
    except queue.Empty:
        raise ConfigError(f"plugins.{found.name}: still importing after {settings.start_deadline_s:g} s") from None
    if isinstance(answer, RefusedPluginError):
        raise ConfigError(f"plugins.{found.name}: {answer}")
    if isinstance(answer, BaseException):
        raise ConfigError(f"plugins.{found.name}: cannot be imported: {reason_of(answer)}") from answer
    assert isinstance(answer, Plugin)
    return answer


# --- a try ----------------------------------------------------------------------------------------------------------


async def try_plugin(
    settings: Settings, name: str, *, email: str, login: str | None, password: str, version: str, show: Show
) -> None:
    """Start one plugin with its settings and give it a sample of what its hooks take.

    A notifier is asked to deliver a notification with a calendar entry to ``email``, an authenticator for ``login`` and
    ``password`` (None: for somebody who is not there), a storage to keep something and to forget it, a model processor
    is given its own sample. TryFailedError says what it answered.
    """
    async with _alone(settings, name, version) as plugins:
        status = plugins.status(name)
        if status.state != "enabled":
            raise TryFailedError(f"plugins.{name}: {status.state}: {status.reason}")
        if name in plugins.notifiers():
            url = settings.http.public_url.rstrip("/") or "http://localhost:8800"
            delivering = partial(plugin_samples.notify, plugins, name, email, url)
            await _attempt(delivering, f"{name} was given a notification", show)
        if name in plugins.listeners():
            await _attempt(partial(plugin_samples.tell, plugins, name), f"{name} was told of an event", show)
        if name in plugins.authenticators():
            asking = partial(plugin_samples.authenticate, plugins, name, login, password)
            await _attempt(asking, f"{name} was asked who somebody is", show)
        if name in plugins.storages():
            await _attempt(partial(plugin_samples.store, plugins, name), f"{name} kept and forgot an object", show)
        if name in plugins.processors():
            await _attempt(partial(plugin_samples.process, plugins, name), f"{name} was given its sample", show)


@asynccontextmanager
async def _alone(settings: Settings, name: str, version: str) -> AsyncIterator[Plugins]:
    """This one plugin, started or not."""
    tables = tuple(table for table in settings.plugins.tables if table.name == name)
    alone = msgspec.structs.replace(settings.plugins, enabled=(name,), tables=tables)
    public_url = settings.http.public_url.rstrip("/")
    async with open_plugins(alone, version=version, public_url=public_url, now_ms=_now_ms) as plugins:
        yield plugins


async def _attempt(call: Callable[[], Awaitable[str]], done: str, show: Show) -> None:
    try:
        answer = await call()
    except (Undeliverable, TryLater, SampleFailedError) as error:
        raise TryFailedError(f"{done} and failed: {error}") from None
    show(f"{done}: {answer}")


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


__all__ = ["TryFailedError", "check", "describe", "list_installed", "read_password", "try_plugin"]
