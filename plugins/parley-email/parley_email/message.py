"""A notification as a mail: headers and parts. Pure; the time is an argument.

Owns structure and headers; refuses to send. Whatever people typed (names, titles) passes through `words.header_text`
before it becomes a header, and `email`'s policy refuses line breaks besides.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import formatdate
from pathlib import Path
from urllib.parse import urlsplit

import jinja2

from appliance.hooks.contract import Notification, Undeliverable
from parley_email.invitation import invitation
from parley_email.words import WORDS, header_text, one_line, paragraphs, time_span, web_address

_FOLDER = Path(__file__).parent / "templates"
_html = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER), autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True
)
_text = jinja2.Environment(
    loader=jinja2.FileSystemLoader(_FOLDER), autoescape=False, undefined=jinja2.StrictUndefined, trim_blocks=True
)


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who writes."""

    name: str
    address: str
    reply_to: str | None
    public_url: str
    program: str

    @property
    def domain(self) -> str:
        """For ids."""
        return self.address.rpartition("@")[2]


def parse_address(text: str) -> Address | None:
    """An address as RFC 5321 has it, without a name; None for anything else."""
    if not re.fullmatch(r"[^\s<>(),;:\\\"\[\]@\x00-\x20\x7f]{1,64}@[^\s<>(),;:\\\"\[\]@\x00-\x20\x7f]{1,255}", text):
        return None
    local, _, domain = text.rpartition("@")
    try:
        return Address(username=local, domain=domain.encode("idna").decode())
    except (ValueError, UnicodeError):
        return None


def compose(notification: Notification, sender: Sender, *, now_s: float) -> EmailMessage:
    """The mail; Undeliverable when the recipient has no address that could be one."""
    recipient = notification.recipient
    to = None if recipient.email is None else parse_address(recipient.email)
    if to is None:
        raise Undeliverable("the recipient has no address" if not recipient.email else "the recipient's is no address")
    own = parse_address(sender.address)
    assert own is not None  # checked with the settings
    message = EmailMessage(policy=SMTP)
    message["From"] = Address(header_text(sender.name), own.username, own.domain)
    message["To"] = Address(header_text(recipient.name), to.username, to.domain)
    message["Subject"] = header_text(notification.title)
    message["Date"] = formatdate(now_s)
    # The same at each attempt: mailboxes that see it twice show it once.
    message["Message-ID"] = f"<{re.sub(r'[^A-Za-z0-9_-]', '', notification.id)}@{own.domain}>"
    if sender.reply_to is not None:
        message["Reply-To"] = sender.reply_to
    message["List-Id"] = f"Parley <notifications.{own.domain}>"
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834 §5: nobody's holiday note answers it
    message["X-Auto-Response-Suppress"] = "OOF, AutoReply"  # the same for Exchange
    message["X-Mailer"] = sender.program
    words = _context(notification, sender)
    message.set_content(_text.get_template("mail.txt").render(words).strip() + "\n", cte="quoted-printable")
    html = _html.get_template("mail.html").render(words)
    message.add_alternative(html, subtype="html", cte="quoted-printable")
    if notification.calendar is not None:
        ical = invitation(notification, notification.calendar, sender.address)
        method = notification.calendar.method
        message.add_alternative(
            ical.decode(), subtype="calendar", charset="utf-8", cte="base64", params={"method": method}
        )
        # Calendars that are not part of the mail program take the file.
        message.add_attachment(ical, maintype="application", subtype="ics", filename="invite.ics")
    message["Content-Language"] = recipient.locale  # last: each part added takes headers of the content with it
    return message


def _context(notification: Notification, sender: Sender) -> dict[str, object]:
    recipient, entry = notification.recipient, notification.calendar
    words = WORDS[recipient.locale]
    host = urlsplit(sender.public_url).netloc
    when = None
    if entry is not None:
        when = time_span(entry.start_at_ms, entry.end_at_ms, recipient.time_zone, recipient.locale)
    return {
        "words": words,
        "locale": recipient.locale,
        "title": one_line(notification.title),
        "greeting": words.greeting.format(name=one_line(recipient.name)),
        "paragraphs": paragraphs(notification.body),
        "meeting": None if entry is None else one_line(entry.title),
        "cancelled": entry is not None and entry.method == "CANCEL",
        "when": when,
        "organizer": None if entry is None else one_line(entry.organizer_name),
        "url": web_address(notification.url),
        "url_label": one_line(notification.url_label or words.open),
        "footer": words.footer.format(host=host) if host else words.footer_nowhere,
    }
