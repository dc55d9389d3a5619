"""Listeners of the plugins as subscribers of the outbox.

Owns the translation: what a listener answers into told, tried again, given up, or not tried at all. Refuses to know
how events are kept and how a plugin runs.
"""

from __future__ import annotations

from functools import partial

from appliance.bus.relay import GiveUpError, NotTriedError, Subscriber, TryAgainError
from appliance.events.envelope import Envelope
from appliance.hooks.contract import TryLater, Undeliverable
from appliance.hooks.dispatch import NotCalledError
from appliance.hooks.running import Plugins

# Lasting: what is owed is kept under it over restarts.
PREFIX = "plugin."


def subscribers(plugins: Plugins) -> list[Subscriber]:
    """One for each listener that is enabled, whether it could start or not."""
    return [
        Subscriber(
            name=f"{PREFIX}{name}",
            types=partial(plugins.wanted_by, name),
            handle=partial(_hear, plugins, name),
            deadline_s=plugins.answer_within_s,
            wait_ready=partial(plugins.wait_enabled, name),
        )
        for name in plugins.listeners()
    ]


async def _hear(plugins: Plugins, name: str, envelope: Envelope) -> None:
    if envelope.event.event_type not in plugins.wanted_by(name):
        return  # kept for it while nobody knew what it wants
    try:
        await plugins.tell(name, envelope)
    except NotCalledError as error:
        raise NotTriedError(error.reason) from None
    except TryLater as error:
        raise TryAgainError(error.reason, error.after_s) from None
    except Undeliverable as error:
        raise GiveUpError(error.reason) from None
