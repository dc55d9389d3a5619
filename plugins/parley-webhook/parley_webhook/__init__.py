"""Posts events and notifications to a URL: signed, timestamped, and to no address that is not meant.

::

    event or notification ── JSON ── signature (Standard Webhooks 1.0.0) ── post ── addresses: which may be connected to

Owns the settings, the JSON and what an HTTP status means for another attempt. `signature` is pure, `addresses` judges,
`post` does the I/O.
"""

from __future__ import annotations

import ipaddress
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

import anyio
import msgspec

from appliance.events.envelope import Envelope, encode
from appliance.hooks.contract import (
    Context,
    EventListener,
    Notification,
    Notifier,
    Plugin,
    PluginConfig,
    TryLater,
    Undeliverable,
)
from parley_webhook.addresses import ForbiddenAddressError
from parley_webhook.post import Answer, BadAnswerError, Target, post, read_url
from parley_webhook.signature import read_secret, sign

__all__ = ["WebhookConfig", "plugin"]

# Standard Webhooks: the receiver has no longer any interest.
_GONE = 410
# A receiver may ask for a day of rest, and not for one of a year.
_RETRY_AFTER_MAX_S = 86_400
# Share of a call's deadline after which a receiver is given up, so that its slowness does not count as our failure.
_PATIENCE = 0.9


class WebhookConfig(PluginConfig, frozen=True):
    """The keys of [plugins.webhook]."""

    url: str
    secret: str
    previous_secret: str | None = None
    """While receivers change over to ``secret``: both sign."""
    events: tuple[str, ...] = ("meeting_events",)
    allow_networks: tuple[str, ...] = ()
    allow_http: bool = False
    ca_file: str | None = None
    deadline_s: Annotated[float, msgspec.Meta(gt=0, le=300)] = 15.0

    def __post_init__(self) -> None:
        target = read_url(self.url)
        if not target.tls and not self.allow_http:
            raise ValueError("url: must begin with https:// unless allow_http = true")
        read_secret("secret", self.secret)
        if self.previous_secret is not None:
            read_secret("previous_secret", self.previous_secret)
        for network in self.allow_networks:
            try:
                ipaddress.ip_network(network)
            except ValueError:
                raise ValueError("allow_networks: must hold networks as 10.0.0.0/8") from None


@asynccontextmanager
async def open_webhook(config: WebhookConfig, context: Context) -> AsyncIterator[tuple[Notifier, EventListener]]:
    """From start to stop; each delivery is a connection of its own."""
    deadline_s = min(config.deadline_s, _PATIENCE * context.call_deadline_s)
    hook = Webhook(config, agent=f"Parley/{context.parley_version} (webhook)", deadline_s=deadline_s)
    yield (
        Notifier(notify=hook.notify),
        EventListener(events=frozenset(config.events), on_event=hook.on_event),
    )


class Webhook:
    """One receiver."""

    def __init__(self, config: WebhookConfig, *, agent: str, deadline_s: float) -> None:
        self._agent = agent
        self._deadline_s = deadline_s
        self._target: Target = read_url(config.url)
        self._allowed = tuple(ipaddress.ip_network(network) for network in config.allow_networks)
        secrets = [("secret", config.secret), ("previous_secret", config.previous_secret)]
        self._keys = tuple(read_secret(key, secret) for key, secret in secrets if secret is not None)
        self._tls = _trust(config.ca_file) if self._target.tls else None

    async def on_event(self, envelope: Envelope) -> None:
        """Post the envelope as `appliance.events.envelope` documents it."""
        await self._deliver(envelope.id, encode(envelope))

    async def notify(self, notification: Notification) -> None:
        """Post a notification, in an envelope of the same form."""
        body = {
            "v": 1,
            "id": notification.id,
            "topic": "notifications",
            "at_ms": notification.created_at_ms,
            "notification": notification,
        }
        await self._deliver(notification.id, msgspec.json.encode(body))

    async def _deliver(self, message_id: str, body: bytes) -> None:
        timestamp_s = int(time.time())
        headers = {
            "User-Agent": self._agent,
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": str(timestamp_s),
            "webhook-signature": sign(self._keys, message_id, timestamp_s, body),
        }
        try:
            with anyio.fail_after(self._deadline_s):
                answer = await post(self._target, headers, body, tls=self._tls, allowed=self._allowed)
        except ForbiddenAddressError as error:  # a name or the settings may lead elsewhere tomorrow
            raise TryLater(str(error)) from None
        except TimeoutError:
            raise TryLater(f"{self._target.host} did not answer within {self._deadline_s:g} s") from None
        except (OSError, BadAnswerError) as error:
            raise TryLater(f"{self._target.host}: {error}") from error
        _judge(self._target, answer)


def _trust(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"ca_file: {ca_file}: {error}") from error


def _judge(target: Target, answer: Answer) -> None:
    """Standard Webhooks: 2xx is success, everything else a failure to be tried again, but for 410."""
    if 200 <= answer.status <= 299:
        return
    said = f"{target.host} answered {answer.status}"
    if answer.status == _GONE:
        raise Undeliverable(said)
    if 300 <= answer.status <= 399:
        raise TryLater(f"{said}: redirects are not followed, set plugins.webhook.url to where it leads")
    after_s = None if answer.retry_after_s is None else min(answer.retry_after_s, _RETRY_AFTER_MAX_S)
    raise TryLater(said, after_s)


plugin = Plugin(
    contract=1,
    summary="Posts events and notifications to a URL, signed by Standard Webhooks.",
    config=WebhookConfig,
    open=open_webhook,
)
