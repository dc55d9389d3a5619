"""A meeting for a calendar: iCalendar (RFC 5545) with a method (RFC 5546), as mail carries it (RFC 6047). Pure.

Owns which property says what; escaping and folding are icalendar's. An update is the same UID with a greater SEQUENCE,
a cancellation METHOD:CANCEL with STATUS:CANCELLED.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from icalendar import Calendar, Event, vCalAddress, vText, vUri

from appliance.hooks.contract import CalendarEntry, Notification
from parley_email.words import one_line, plain, web_address

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def invitation(notification: Notification, entry: CalendarEntry, sender_address: str) -> bytes:
    """The calendar's text in UTF-8 with CRLF."""
    calendar = Calendar()
    calendar.add("prodid", "-//Parley//parley-email//EN")
    calendar.add("version", "2.0")
    calendar.add("calscale", "GREGORIAN")
    calendar.add("method", entry.method)
    calendar.add_component(_event(notification, entry, sender_address))
    made: bytes = calendar.to_ical()
    return made


def _event(notification: Notification, entry: CalendarEntry, sender_address: str) -> Event:
    recipient = notification.recipient
    event = Event()
    event.add("uid", one_line(entry.uid))
    event.add("sequence", entry.sequence)
    event.add("dtstamp", _time(notification.created_at_ms))
    event.add("dtstart", _time(entry.start_at_ms))
    event.add("dtend", _time(entry.end_at_ms))
    event.add("summary", one_line(entry.title))
    event.add("status", "CANCELLED" if entry.method == "CANCEL" else "CONFIRMED")
    event.add("transp", "OPAQUE")
    told = [plain(entry.description)] if entry.description else []
    if (url := web_address(notification.url)) is not None:
        told.append(url)
        event.add("location", vText(url))
        event.add("url", vUri(url))
    if told:
        event.add("description", "\n\n".join(told))
    organizer = vCalAddress(f"mailto:{one_line(entry.organizer_email or sender_address)}")
    organizer.params["cn"] = vText(_parameter(entry.organizer_name))
    event.add("organizer", organizer, encode=False)
    attendee = vCalAddress(f"mailto:{one_line(recipient.email or '')}")
    attendee.params["cn"] = vText(_parameter(recipient.name))
    attendee.params["role"] = vText("REQ-PARTICIPANT")
    attendee.params["partstat"] = vText("NEEDS-ACTION")
    # An answer goes to the organizer's address; where that is only ours, nobody would read it.
    attendee.params["rsvp"] = vText("TRUE" if entry.organizer_email else "FALSE")
    event.add("attendee", attendee, encode=False)
    return event


def _parameter(name: str) -> str:
    """RFC 5545 §3.2: a parameter's value can hold no double quote, in no way."""
    return one_line(name).replace('"', "'")


def _time(time_ms: int) -> datetime:
    """In UTC and whole seconds, so that no time zone needs to be described."""
    return (_EPOCH + timedelta(milliseconds=time_ms)).replace(microsecond=0)
