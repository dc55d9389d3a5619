"""iCalendar files, read back by a parser of RFC 5545's own rules."""

from __future__ import annotations

import pytest

from appliance.api.calendar_file import calendar_file
from tests.support import stored_rows as rows


def parsed(data: bytes) -> list[tuple[str, str]]:
    """Unfold (§3.1), split names from values, unescape texts (§3.3.11)."""
    assert data.endswith(b"\r\n")
    assert b"\n" not in data.replace(b"\r\n", b"") and b"\r" not in data.replace(b"\r\n", b"")
    assert all(len(line) <= 75 for line in data.split(b"\r\n"))
    for line in data.split(b"\r\n"):
        line.decode()  # no character is cut in two
    found = []
    for line in data.decode().replace("\r\n ", "").removesuffix("\r\n").split("\r\n"):
        name, colon, value = line.partition(":")
        assert colon and name.replace("-", "").isupper()
        if name in ("SUMMARY", "DESCRIPTION", "LOCATION"):
            out, rest = "", value
            while rest:
                if rest[0] == "\\":
                    out += {"n": "\n", "\\": "\\", ";": ";", ",": ","}[rest[1]]
                    rest = rest[2:]
                else:
                    assert rest[0] not in ";,"
                    out, rest = out + rest[0], rest[1:]
            value = out
        found.append((name, value))
    return found


URL = "https://meet.example.org/abc-defg-hjk"


def test_a_planned_meeting() -> None:
    meeting = rows.meeting("one", None, title="T", start_at_ms=1_900_000_000_000, end_at_ms=1_900_000_600_000)
    lines = parsed(calendar_file(meeting, url=URL, now_ms=5_000, with_description=True))
    assert lines[0] == ("BEGIN", "VCALENDAR") and lines[-1] == ("END", "VCALENDAR")
    values = dict(lines)
    assert values["VERSION"] == "2.0" and values["UID"] == "mtg_one@parley" and values["URL"] == URL
    assert (values["DTSTART"], values["DTEND"]) == ("20300317T174640Z", "20300317T175640Z")
    assert values["DTSTAMP"] == "19700101T000005Z" and values["STATUS"] == "CONFIRMED"
    assert [name for name, _ in lines].count("UID") == 1


@pytest.mark.parametrize(
    "title",
    ["a;b,c\\d\\n", "安" * 100, "😀" * 60, "x" * 200, "BEGIN:VEVENT", "é" * 75, "\\" * 80, "a\u2028b", " leading"],
)
def test_any_text_comes_back(title: str) -> None:
    meeting = rows.meeting("one", None, title=title, description=f"{title}\nX:1\r\nEND:VEVENT\n\n;,")
    values = dict(parsed(calendar_file(meeting, url=URL, now_ms=0, with_description=True)))
    assert values["SUMMARY"] == title
    assert values["DESCRIPTION"] == f"{title}\nX:1\nEND:VEVENT\n\n;,\n\n{URL}"
    hidden = dict(parsed(calendar_file(meeting, url=URL, now_ms=0, with_description=False)))
    assert hidden["DESCRIPTION"] == URL


def test_without_times_and_cancelled() -> None:
    meeting = rows.meeting("one", None, created_at_ms=60_000, updated_at_ms=62_500, status="cancelled")
    values = dict(parsed(calendar_file(meeting, url=URL, now_ms=0, with_description=False)))
    assert (values["DTSTART"], values["DTEND"]) == ("19700101T000100Z", "19700101T010100Z")
    assert (values["STATUS"], values["SEQUENCE"]) == ("CANCELLED", "2")
