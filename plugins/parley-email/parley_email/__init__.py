"""Sends notifications by mail: text and HTML in the recipient's language, invitations that calendars take.

::

    notification ── message (headers, parts) ─┬─ words, templates: texts, escaped
                                              └─ invitation: iCalendar
                 ── smtp, in a worker thread ── the mail server

Owns the settings and the order; refuses to know when somebody is told what.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Literal

import anyio
import msgspec

from appliance.hooks.contract import Context, Notification, Notifier, Plugin, PluginConfig, TryLater
from parley_email.message import Sender, compose, parse_address
from parley_email.smtp import MailServer, send

__all__ = ["EmailConfig", "plugin"]


# Share of a call's deadline after which a mail server is given up, so that its slowness does not count as our failure.
_PATIENCE = 0.9


class EmailConfig(PluginConfig, frozen=True):
    """The keys of [plugins.email]."""

    host: Annotated[str, msgspec.Meta(min_length=1)]
    from_address: str
    from_name: str = "Parley"
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    username: str | None = None
    password: str | None = None
    ca_file: str | None = None
    reply_to: str | None = None
    connections: Annotated[int, msgspec.Meta(ge=1, le=32)] = 4
    deadline_s: Annotated[float, msgspec.Meta(gt=0, le=300)] = 20.0

    def __post_init__(self) -> None:
        for key, address in (("from_address", self.from_address), ("reply_to", self.reply_to)):
            if address is not None and parse_address(address) is None:
                raise ValueError(f"{key}: must be an address as parley@example.org")
        if (self.username is None) != (self.password is None):
            raise ValueError("password: must be set together with username")
        if self.password is not None and self.security == "none":
            raise ValueError('security: must not be "none" with a password: it would be sent readable')


def _trust(ca_file: str | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # ssl.SSLError is one
        raise ValueError(f"ca_file: {ca_file}: {error}") from error


@asynccontextmanager
async def open_email(config: EmailConfig, context: Context) -> AsyncIterator[Notifier]:
    """From start to stop; each mail is a connection of its own, so there is nothing to keep and to lose."""
    address = parse_address(config.from_address)
    assert address is not None  # the settings were checked
    server = MailServer(
        host=config.host,
        port=config.port,
        security=config.security,
        tls=None if config.security == "none" else _trust(config.ca_file),
        username=config.username,
        password=config.password,
        deadline_s=config.deadline_s,
        own_name=address.domain,
    )
    sender = Sender(
        name=config.from_name,
        address=config.from_address,
        reply_to=config.reply_to,
        public_url=context.public_url,
        program=f"Parley/{context.parley_version}",
    )
    connections = anyio.CapacityLimiter(config.connections)
    deadline_s = min(config.deadline_s, _PATIENCE * context.call_deadline_s)

    async def notify(notification: Notification) -> None:
        message = compose(notification, sender, now_s=time.time())
        try:
            # A call that is given up leaves its thread behind until the socket's own deadline; the mail may go out yet.
            with anyio.fail_after(deadline_s):
                await anyio.to_thread.run_sync(
                    partial(send, server, message), abandon_on_cancel=True, limiter=connections
                )
        except TimeoutError:
            raise TryLater(f"{server.host} did not take the mail within {deadline_s:g} s") from None

    yield Notifier(notify=notify)


plugin = Plugin(
    contract=1,
    summary="Sends notifications and invitations by mail.",
    config=EmailConfig,
    open=open_email,
)
