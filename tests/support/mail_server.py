"""A real SMTP server (aiosmtpd) in a thread of its own, with TLS, users and refusals as the test wants."""

from __future__ import annotations

import asyncio
import email
import email.policy
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

USER, PASSWORD = "parley", "correct horse"


@dataclass
class Mail:
    """One that came in."""

    sender: str
    recipients: list[str]
    raw: bytes
    encrypted: bool
    user: str | None

    @property
    def message(self) -> EmailMessage:
        """Parsed anew."""
        parsed = email.message_from_bytes(self.raw, policy=email.policy.default)
        assert isinstance(parsed, EmailMessage)
        return parsed


@dataclass
class MailBox:
    """The server; ``on_recipient`` and ``on_data`` are answered in place of 250 where they are set."""

    port: int = 0
    only_tls: bool = False
    """From the first byte: nothing comes in that is not encrypted."""
    wants_user: bool = False
    utf8: bool = True
    """Whether it takes addresses beyond ASCII (RFC 6531)."""
    mails: list[Mail] = field(default_factory=list)
    on_sender: str | None = None
    on_recipient: str | None = None
    on_data: str | None = None

    async def handle_MAIL(self, _server: SMTP, session: Any, envelope: Any, address: str, options: list[str]) -> str:  # noqa: N802
        if self.wants_user and not session.authenticated:
            return "530 sign in first"
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return self.on_sender or "250 OK"

    async def handle_RCPT(self, _server: SMTP, _session: Any, envelope: Any, address: str, _options: list[str]) -> str:  # noqa: N802
        if self.on_recipient is None:
            envelope.rcpt_tos.append(address)
        return self.on_recipient or "250 OK"

    async def handle_DATA(self, _server: SMTP, session: Any, envelope: Any) -> str:  # noqa: N802
        if self.on_data is not None:
            return self.on_data
        user = session.auth_data.login.decode() if session.authenticated else None
        encrypted = self.only_tls or session.ssl is not None
        self.mails.append(Mail(envelope.mail_from, envelope.rcpt_tos, envelope.content, encrypted, user))
        return "250 OK"


@contextmanager
def mail_server(
    security: Literal["starttls", "tls", "none"] = "starttls", pem: Path | None = None
) -> Iterator[MailBox]:
    """For the length of the block, on a free port of 127.0.0.1; with TLS it wants a user."""
    box = MailBox(only_tls=security == "tls", wants_user=security != "none")
    tls = None
    if security != "none":
        assert pem is not None
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(pem)

    def authenticate(_server: SMTP, _session: Any, _envelope: Any, _mechanism: str, data: Any) -> AuthResult:
        good = isinstance(data, LoginPassword) and (data.login, data.password) == (USER.encode(), PASSWORD.encode())
        return AuthResult(success=good, handled=False, auth_data=data)

    options: dict[str, Any] = {}
    if security == "starttls":
        options = {"tls_context": tls, "require_starttls": True}
    if security != "none":
        options |= {"authenticator": authenticate, "auth_require_tls": security == "starttls"}
    # Not aiosmtpd's Controller: to see whether it runs it connects to itself, without TLS and without closing.
    ready = threading.Event()
    stop: list[Callable[[], object]] = []

    async def serve() -> None:
        loop, stopped = asyncio.get_running_loop(), asyncio.Event()
        stop.append(lambda: loop.call_soon_threadsafe(stopped.set))
        server = await loop.create_server(
            lambda: SMTP(box, loop=loop, enable_SMTPUTF8=box.utf8, **options),
            "127.0.0.1",
            0,
            ssl=tls if security == "tls" else None,
        )
        box.port = server.sockets[0].getsockname()[1]
        ready.set()
        await stopped.wait()
        server.close()

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="mail server", daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield box
    finally:
        stop[0]()
        thread.join(10)
