"""What people typed stays text: in headers, in HTML, in calendars. Mails are whole in both languages."""

from __future__ import annotations

import dataclasses
import email
import email.policy
from email.message import EmailMessage
from html.parser import HTMLParser

import icalendar
import msgspec
import pytest
from parley_email.message import Sender, compose, parse_address

from appliance.hooks.contract import CalendarEntry, Notification, Recipient
from tests.support.plugins import message

SENDER = Sender(
    name="Parley",
    address="parley@meet.example.org",
    reply_to=None,
    public_url="https://meet.example.org",
    program="Parley/1",
)
# 3 March 2026, 02:00 UTC.
START_MS = 1_772_503_200_000
ENTRY = CalendarEntry(
    uid="mtg_a@parley",
    method="REQUEST",
    sequence=0,
    title="Weekly; with, commas",
    start_at_ms=START_MS,
    end_at_ms=START_MS + 3_600_000,
    organizer_name="Ben",
    organizer_email="ben@example.org",
    description="Line one\nline two",
)
INVITED = Notification(
    id="ntf_1",
    kind="meeting.invited",
    recipient=Recipient(name="Ann", email="ann@example.org", time_zone="Asia/Shanghai"),
    title="Ben invites you to Weekly",
    body="A meeting was planned.\n\nSee you\nthere.",
    created_at_ms=START_MS - 1,
    url="https://meet.example.org/abc-defg-hjk",
    url_label="Join the meeting",
    calendar=ENTRY,
)
HEADERS = {
    "From", "To", "Subject", "Date", "Message-ID", "List-Id", "Auto-Submitted", "X-Auto-Response-Suppress", "X-Mailer",
    "Content-Language", "MIME-Version", "Content-Type",
}  # fmt: skip


def _sent(notification: Notification, sender: Sender = SENDER) -> EmailMessage:
    """Written to bytes and read again, as its receiver does."""
    raw = compose(notification, sender, now_s=0).as_bytes()
    assert max(map(len, raw.split(b"\r\n"))) <= 998  # RFC 5322 §2.1.1
    assert b"\n" not in raw.replace(b"\r\n", b"")
    parsed = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(parsed, EmailMessage)
    return parsed


def _part(mail: EmailMessage, kind: str) -> str:
    (part,) = [part for part in mail.walk() if part.get_content_type() == kind]
    assert isinstance(part, EmailMessage)
    text: str = part.get_content()
    return text.replace("\r\n", "\n")


def _calendar(mail: EmailMessage) -> icalendar.Calendar:
    return icalendar.Calendar.from_ical(_part(mail, "text/calendar"))


def _event(mail: EmailMessage) -> icalendar.Event:
    (event,) = _calendar(mail).walk("VEVENT")
    return event


def test_headers_say_who_and_that_no_machine_need_answer() -> None:
    mail = _sent(message())
    assert set(mail.keys()) == HEADERS
    assert mail["From"] == "Parley <parley@meet.example.org>"
    assert mail["To"] == "Ann <ann@example.org>"
    assert mail["Message-ID"] == "<ntf_1@meet.example.org>"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["List-Id"] == "Parley <notifications.meet.example.org>"
    assert mail["Date"].datetime.timestamp() == 0
    assert mail.get_content_type() == "multipart/alternative"


@pytest.mark.parametrize(
    "evil",
    [
        "Ann\r\nBcc: eve@example.org",
        "Ann\nX-Evil: 1\n\nbody",
        "Ann\rBcc: eve@example.org",
        "Ann\u2028Bcc: eve@example.org",
        "Ann\x00\x0b\x0c\x85Bcc: eve",
        '"Ann" <eve@example.org>, Bcc:',
        "=?utf-8?q?Ann=0D=0ABcc:_eve@example.org?=",
        "安娜\r\nBcc: eve@example.org" * 20,
        "\ud800 lone",
    ],
)
def test_names_and_titles_can_add_no_header(evil: str) -> None:
    recipient = Recipient(name=evil, email="ann@example.org")
    entry = msgspec.structs.replace(ENTRY, title=evil, organizer_name=evil, description=evil)
    notification = msgspec.structs.replace(INVITED, title=evil, recipient=recipient, calendar=entry, id=f"n{evil}")
    mail = _sent(notification, dataclasses.replace(SENDER, name=evil))
    assert set(mail.keys()) == HEADERS
    assert [address.addr_spec for address in mail["To"].addresses] == ["ann@example.org"]
    assert "\n" not in mail["Subject"]
    calendar = _calendar(mail)
    assert set(calendar) == {"PRODID", "VERSION", "CALSCALE", "METHOD"}
    assert set(_event(mail)) <= {
        "UID", "SEQUENCE", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY", "STATUS", "TRANSP", "LOCATION", "URL",
        "DESCRIPTION", "ORGANIZER", "ATTENDEE",
    }  # fmt: skip


def test_text_that_turns_the_direction_of_writing_is_removed() -> None:
    recipient = Recipient(name="Ann\u202egro.elpmaxe@nna", email="ann@example.org")
    mail = _sent(msgspec.structs.replace(message(), recipient=recipient))
    assert "\u202e" not in mail.as_string() and "\u202e" not in _part(mail, "text/plain")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_html_holds_no_markup_of_others() -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)>\"'&{{ 7*7 }}"
    entry = msgspec.structs.replace(ENTRY, title=evil, organizer_name=evil)
    recipient = Recipient(name=evil, email="ann@example.org")
    mail = _sent(
        msgspec.structs.replace(
            INVITED,
            title=evil,
            body=evil,
            recipient=recipient,
            calendar=entry,
            url_label=evil,
            url='https://x/"><script>',
        )
    )
    html = _part(mail, "text/html")
    tags = _Tags()
    tags.feed(html)
    assert {tag for tag, _ in tags.found} <= {
        "html", "head", "meta", "title", "body", "div", "h1", "p", "strong", "a", "br",
    }  # fmt: skip
    assert not [name for _, attributes in tags.found for name in attributes if name.startswith("on")]
    assert "49" not in html and "{{ 7*7 }}" in html
    assert evil in _part(mail, "text/plain")  # where it is harmless it stays as it is


@pytest.mark.parametrize("url", ["javascript:alert(1)", "data:text/html,x", "//x", "file:///etc/passwd"])
def test_links_lead_to_pages_only(url: str) -> None:
    mail = _sent(msgspec.structs.replace(message(), url=url))
    assert "href" not in _part(mail, "text/html") and url not in _part(mail, "text/plain")


def test_english() -> None:
    text = _part(_sent(INVITED), "text/plain")
    assert text == (
        "Hello Ann,\n\nA meeting was planned.\n\nSee you\nthere.\n\nWeekly; with, commas\n"
        "When: Tuesday, 3 March 2026, 10:00–11:00 (Asia/Shanghai)\nOrganizer: Ben\n\n"
        "Join the meeting: https://meet.example.org/abc-defg-hjk\n\n-- \n"
        "Sent by Parley at meet.example.org, because you have an account there or were invited.\n"
    )
    html = _part(_sent(INVITED), "text/html")
    assert '<html lang="en">' in html and "See you<br>there." in html
    assert 'href="https://meet.example.org/abc-defg-hjk"' in html


def test_chinese() -> None:
    recipient = msgspec.structs.replace(INVITED.recipient, name="安娜", locale="zh-CN")
    mail = _sent(msgspec.structs.replace(INVITED, recipient=recipient, title="会议邀请：周会"))
    assert mail["Subject"] == "会议邀请：周会"
    assert mail["To"].addresses[0].display_name == "安娜"
    assert mail["Content-Language"] == "zh-CN"
    text = _part(mail, "text/plain")
    assert text.startswith("安娜，您好：\n") and "时间: 2026年3月3日 星期二 10:00–11:00（Asia/Shanghai）" in text
    assert '<html lang="zh-CN">' in _part(mail, "text/html")


def test_without_a_public_url_no_host_is_named() -> None:
    sender = Sender(name="P", address="p@example.org", reply_to="help@example.org", public_url="", program="P")
    mail = _sent(message(), sender)
    assert "Sent by a Parley server" in _part(mail, "text/plain")
    assert mail["Reply-To"] == "help@example.org"


def test_an_invitation_is_one_that_calendars_take() -> None:
    mail = _sent(INVITED)
    assert mail.get_content_type() == "multipart/mixed"
    (part,) = [part for part in mail.walk() if part.get_content_type() == "text/calendar"]
    assert part["Content-Type"].params["method"] == "REQUEST"  # RFC 6047 §2.4
    (attachment,) = mail.iter_attachments()
    assert attachment.get_filename() == "invite.ics"
    assert attachment.get_content().decode().replace("\r\n", "\n") == _part(mail, "text/calendar")
    calendar, event = _calendar(mail), _event(mail)
    assert (calendar["METHOD"], calendar["VERSION"]) == ("REQUEST", "2.0")
    assert (event["UID"], event["SEQUENCE"], event["STATUS"]) == ("mtg_a@parley", 0, "CONFIRMED")
    assert event["SUMMARY"] == "Weekly; with, commas"
    assert event["DTSTART"].dt.timestamp() * 1000 == START_MS
    assert event["DTEND"].dt.timestamp() * 1000 == START_MS + 3_600_000
    assert event["DTSTART"].dt.utcoffset().total_seconds() == 0
    assert event["DESCRIPTION"] == "Line one\nline two\n\nhttps://meet.example.org/abc-defg-hjk"
    assert (event["LOCATION"], event["URL"]) == (INVITED.url, INVITED.url)
    assert (event["ORGANIZER"], event["ORGANIZER"].params["CN"]) == ("mailto:ben@example.org", "Ben")
    assert event["ATTENDEE"] == "mailto:ann@example.org"
    assert (event["ATTENDEE"].params["CN"], event["ATTENDEE"].params["RSVP"]) == ("Ann", "TRUE")
    assert not calendar.errors and not event.errors


def test_an_update_and_a_cancellation_are_about_the_same_event() -> None:
    moved = msgspec.structs.replace(ENTRY, sequence=1, start_at_ms=START_MS + 7_200_000, end_at_ms=START_MS + 9_000_000)
    off = msgspec.structs.replace(moved, sequence=2, method="CANCEL")
    mails = [_sent(msgspec.structs.replace(INVITED, calendar=entry)) for entry in (ENTRY, moved, off)]
    events = [_event(mail) for mail in mails]
    assert {str(event["UID"]) for event in events} == {"mtg_a@parley"}
    assert [event["SEQUENCE"] for event in events] == [0, 1, 2]
    assert [str(_calendar(mail)["METHOD"]) for mail in mails] == ["REQUEST", "REQUEST", "CANCEL"]
    assert [str(event["STATUS"]) for event in events] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]
    (part,) = [part for part in mails[2].walk() if part.get_content_type() == "text/calendar"]
    assert part["Content-Type"].params["method"] == "CANCEL"
    assert "Weekly; with, commas (cancelled)" in _part(mails[2], "text/plain")


def test_without_an_organizers_address_ours_stands_in_and_nobody_is_asked_to_answer() -> None:
    entry = msgspec.structs.replace(ENTRY, organizer_email=None)
    event = _event(_sent(msgspec.structs.replace(INVITED, calendar=entry)))
    assert event["ORGANIZER"] == "mailto:parley@meet.example.org"
    assert event["ATTENDEE"].params["RSVP"] == "FALSE"


@pytest.mark.parametrize("address", ["ann@example.org", "a.b+c@x-y.example", "安娜@例子.example", "x@bücher.example"])
def test_addresses_are_taken(address: str) -> None:
    parsed = parse_address(address)
    assert parsed is not None and parsed.domain.isascii()


@pytest.mark.parametrize(
    "address",
    ["", "ann", "@x", "ann@", "a@b@c", "a b@c", "a@b c", "a@b\r\n", "a,b@c", '"a"@b', "a@[1.2.3.4]", "a@" + "b" * 300],
)
def test_what_is_no_address_is_not(address: str) -> None:
    assert parse_address(address) is None
