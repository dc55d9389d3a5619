"""A meeting as an iCalendar file (RFC 5545); pure.

Owns escaping and folding of content lines; refuses to know HTTP and who may see what.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from appliance.store.meetings import Meeting

# A meeting without an end is shown an hour long, the usual length of a calendar entry.
DEFAULT_LENGTH_MS = 3_600_000

# RFC 5545 §3.1: lines of content should be at most 75 octets without the line break.
_MAX_OCTETS = 75

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def calendar_file(meeting: Meeting, *, url: str, now_ms: int, with_description: bool) -> bytes:
    """A VCALENDAR with one VEVENT. A meeting without a planned start begins when it started, or was made."""
    start_ms = meeting.start_at_ms or meeting.started_at_ms or meeting.created_at_ms
    end_ms = meeting.end_at_ms if meeting.end_at_ms is not None else start_ms + DEFAULT_LENGTH_MS
    told = meeting.description if with_description else ""
    description = f"{told}\n\n{url}" if told else url
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Parley//Parley//EN",
        "CALSCALE:GREGORIAN",
        "METHOD:PUBLISH",
        "BEGIN:VEVENT",
        f"UID:{meeting.id}@parley",
        f"DTSTAMP:{_utc(now_ms)}",
        f"CREATED:{_utc(meeting.created_at_ms)}",
        f"LAST-MODIFIED:{_utc(meeting.updated_at_ms)}",
        # RFC 5545 §3.8.7.4 counts revisions; seconds since it was made grow with each.
        f"SEQUENCE:{max(0, meeting.updated_at_ms - meeting.created_at_ms) // 1000}",
        f"DTSTART:{_utc(start_ms)}",
        f"DTEND:{_utc(end_ms)}",
        f"SUMMARY:{_text(meeting.title)}",
        f"DESCRIPTION:{_text(description)}",
        f"LOCATION:{_text(url)}",
        f"URL:{_CONTROLS.sub('', url)}",
        f"STATUS:{'CANCELLED' if meeting.status == 'cancelled' else 'CONFIRMED'}",
        "TRANSP:OPAQUE",
        "END:VEVENT",
        "END:VCALENDAR",
    ]
    return b"".join(_folded(line) for line in lines)


def _utc(time_ms: int) -> str:
    """RFC 5545 §3.3.5, form 2: UTC."""
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).strftime("%Y%m%dT%H%M%SZ")


def _text(text: str) -> str:
    """RFC 5545 §3.3.11: backslash, semicolon, comma and line breaks are escaped, other controls have no place."""
    escaped = text.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,")
    return _CONTROLS.sub("", escaped.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\\n"))


def _folded(line: str) -> bytes:
    """RFC 5545 §3.1: folded before the 76th octet, never inside a character, with CRLF and a space."""
    parts: list[bytes] = []
    part = b""
    for char in line:
        octets = char.encode()
        if len(part) + len(octets) > _MAX_OCTETS:
            parts.append(part)
            part = b" "
        part += octets
    parts.append(part)
    return b"\r\n".join(parts) + b"\r\n"
