"""Plugins for tests, well and badly behaved, and a server's worth of them running."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import trio

from appliance.events.catalogue import MeetingEnded, MeetingStarted
from appliance.events.envelope import Envelope, envelop
from appliance.hooks.contract import (
    CONTRACT,
    Context,
    EventListener,
    Notification,
    Notifier,
    Plugin,
    PluginConfig,
    Recipient,
)
from appliance.hooks.discovery import Found
from appliance.hooks.running import Plugins, open_plugins
from appliance.settings import PluginsSettings

NOTIFIERS = ("parley.notifiers",)
LISTENERS = ("parley.event_listeners",)


class NoConfig(PluginConfig, frozen=True):
    """Nothing to set."""


def message(number: int = 1) -> Notification:
    """A notification."""
    return Notification(
        id=f"ntf_{number}",
        kind="notification.test",
        recipient=Recipient(name="Ann", email="ann@example.org"),
        title="Hello",
        body="A text.",
        created_at_ms=0,
    )


def ended(number: int = 1) -> Envelope:
    """An event."""
    event = MeetingEnded(meeting_id="mtg_a", title="Weekly", reason="ended")
    return envelop(event, event_id=f"evt_{number}", at_ms=number)


def started() -> Envelope:
    """Another."""
    return envelop(MeetingStarted(meeting_id="mtg_a", title="Weekly"), event_id="evt_s", at_ms=0)


def found(name: str, load: Callable[[], object], groups: tuple[str, ...] = NOTIFIERS, **fields: Any) -> Found:
    """A plugin as discovery would have found it."""
    return Found(name=name, groups=groups, package=f"parley-{name}", version="1.2.3", load=load, **fields)


def plugin(open_: Callable[..., Any], config: type[PluginConfig] = NoConfig, contract: int = CONTRACT) -> Plugin[Any]:
    """A plugin around an ``open``."""
    return Plugin(contract=contract, summary="For tests.", config=config, open=open_)


def opening(*hooks: Any) -> Callable[[Any, Context], AbstractAsyncContextManager[Any]]:
    """An ``open`` that yields these."""

    @asynccontextmanager
    async def life(_config: Any, _context: Context) -> AsyncIterator[Any]:
        yield hooks[0] if len(hooks) == 1 else hooks

    return life


def notifier(name: str, notify: Callable[[Notification], Awaitable[None]]) -> Found:
    """A plugin whose notifier does this."""
    return found(name, lambda: plugin(opening(Notifier(notify=notify))))


def listener(name: str, events: Iterable[str], on_event: Callable[[Envelope], Awaitable[None]]) -> Found:
    """A plugin whose listener does this."""
    hook = EventListener(events=frozenset(events), on_event=on_event)
    return found(name, lambda: plugin(opening(hook)), LISTENERS)


@asynccontextmanager
async def running(*plugins: Found, **settings: Any) -> AsyncIterator[Plugins]:
    """These, enabled."""
    enabled = settings.pop("enabled", tuple(one.name for one in plugins))
    known = settings.pop("known", ())
    wanted = PluginsSettings(enabled=enabled, **settings)
    async with open_plugins(
        wanted,
        version="0.0.test",
        public_url="https://meet.example.org",
        now_ms=now_ms,
        known=known,
        discover=lambda: plugins,
    ) as opened:
        yield opened


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def wait_state(plugins: Plugins, name: str, state: str) -> str:
    """Until the plugin is in this state; its reason. The test's own deadline ends the wait."""
    while plugins.status(name).state != state:  # noqa: ASYNC110  # nobody is told of states
        await trio.sleep(0.02)
    return plugins.status(name).reason or ""
