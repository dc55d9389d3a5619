"""One mail to one mail server, blocking: for a worker thread.

Owns the connection, TLS, authentication, and what the server's answers mean for another attempt; refuses to send in the
clear where TLS was asked for.
"""

from __future__ import annotations

import contextlib
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.message import EmailMessage
from typing import Literal

from appliance.hooks.contract import TryLater, Undeliverable


@dataclass(frozen=True, kw_only=True)
class MailServer:
    """Where mail goes, and how."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    tls: ssl.SSLContext | None
    deadline_s: float
    """Of each step of the conversation."""
    own_name: str
    """What EHLO says; without one smtplib would ask the resolver, which may take long."""
    username: str | None = None
    password: str | None = field(default=None, repr=False)


def send(server: MailServer, message: EmailMessage) -> None:
    """Hand a mail over. Undeliverable: for good; TryLater: everything that may be otherwise in a while."""
    try:
        with _connected(server) as connection:
            _log_in(server, connection)
            # The addresses as they are, and not as smtplib would read them out of headers with people's names.
            sender, recipient = (message[name].addresses[0].addr_spec for name in ("From", "To"))
            connection.ehlo_or_helo_if_needed()
            if not recipient.isascii() and not connection.has_extn("smtputf8"):  # RFC 6531
                raise Undeliverable(f"{server.host} takes no addresses beyond ASCII")
            connection.send_message(message, sender, [recipient])
    except smtplib.SMTPRecipientsRefused as error:
        code, text = next(iter(error.recipients.values()))
        raise _answer(server, "refuses the recipient", code, text) from None
    except smtplib.SMTPDataError as error:
        raise _answer(server, "refuses the mail", error.smtp_code, error.smtp_error) from None
    except smtplib.SMTPResponseException as error:  # the sender, the greeting, the password: for administrators to mend
        raise TryLater(f"{server.host}: {error.smtp_code} {_text(error.smtp_error)}") from None
    except smtplib.SMTPNotSupportedError as error:
        raise TryLater(f"{server.host}: {error}") from None
    except ssl.SSLError as error:
        raise TryLater(f"{server.host}: TLS: {error.reason or type(error).__name__}") from error
    except (OSError, smtplib.SMTPException) as error:
        raise TryLater(f"{server.host}: {error or type(error).__name__}") from error


@contextlib.contextmanager
def _connected(server: MailServer) -> Iterator[smtplib.SMTP]:
    """QUIT at the end; a server that hangs up after it has taken the mail has taken it."""
    connection: smtplib.SMTP
    if server.security == "tls":
        connection = smtplib.SMTP_SSL(
            server.host, server.port, local_hostname=server.own_name, timeout=server.deadline_s, context=server.tls
        )
    else:
        connection = smtplib.SMTP(
            server.host, server.port, local_hostname=server.own_name, timeout=server.deadline_s
        )
    try:
        yield connection
        with contextlib.suppress(OSError, smtplib.SMTPException):
            connection.quit()
    finally:
        connection.close()


def _log_in(server: MailServer, connection: smtplib.SMTP) -> None:
    if server.security == "starttls":
        connection.starttls(context=server.tls)  # raises where the server does not offer it: no mail in the clear
    if server.username is not None and server.password is not None:
        connection.login(server.username, server.password)


def _answer(server: MailServer, what: str, code: int, text: bytes | str) -> Undeliverable | TryLater:
    """RFC 5321 §4.2.1: 5yz is for good, 4yz for now."""
    reason = f"{server.host} {what}: {code} {_text(text)}"
    return Undeliverable(reason) if 500 <= code <= 599 else TryLater(reason)


def _text(answer: bytes | str) -> str:
    return answer.decode(errors="replace") if isinstance(answer, bytes) else answer
