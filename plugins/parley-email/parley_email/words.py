"""What a mail says besides the notification's own text, in each language, and how times and names are written. Pure."""

from __future__ import annotations

import re
import unicodedata
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Literal
from zoneinfo import ZoneInfo

import msgspec

Locale = Literal["en", "zh-CN"]

# A header's text of a sane length: subjects and names are shown in one line.
_LINE_MAX = 200
# They turn the direction of the text around them: a name could make an address look like another.
_DIRECTION = re.compile("[\u202a-\u202e\u2066-\u2069\u200e\u200f]")

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_DAYS_ZH = "一二三四五六日"
_MONTHS = (
    "January", "February", "March", "April", "May", "June",
    "July", "August", "September", "October", "November", "December",
)  # fmt: skip


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """One language."""

    greeting: str
    when: str
    organizer: str
    cancelled: str
    open: str
    footer: str
    footer_nowhere: str


WORDS: dict[Locale, Words] = {
    "en": Words(
        greeting="Hello {name},",
        when="When",
        organizer="Organizer",
        cancelled="cancelled",
        open="Open",
        footer="Sent by Parley at {host}, because you have an account there or were invited.",
        footer_nowhere="Sent by a Parley server, because you have an account there or were invited.",
    ),
    "zh-CN": Words(
        greeting="{name}，您好：",
        when="时间",
        organizer="组织者",
        cancelled="已取消",
        open="打开",
        footer="本邮件由 {host} 的 Parley 发送，因为您在该处有账号或收到了邀请。",
        footer_nowhere="本邮件由 Parley 服务器发送，因为您在该处有账号或收到了邀请。",
    ),
}


def one_line(text: str) -> str:
    """A text of people as one line without control characters and without what turns the direction of writing."""
    shown = "".join(" " if unicodedata.category(char) in ("Cc", "Zl", "Zp", "Cs") else char for char in text)
    line = " ".join(_DIRECTION.sub("", shown).split())
    return line if len(line) <= _LINE_MAX else line[: _LINE_MAX - 1] + "…"


def header_text(text: str) -> str:
    """The same for a header, where ``=?`` would begin an encoded word (RFC 2047) that hides what it says."""
    return one_line(text).replace("=?", "= ?")


def web_address(url: str | None) -> str | None:
    """A link as it may stand in mails: http or https, printable ASCII; None for anything else."""
    return url if url is not None and re.fullmatch(r"https?://[!-~]+", url) else None


def plain(text: str) -> str:
    """A text of several lines, without other control characters."""
    lines = text.replace("\r\n", "\n").replace("\r", "\n")
    kept = (char if char == "\n" or unicodedata.category(char) not in ("Cc", "Cs") else " " for char in lines)
    return _DIRECTION.sub("", "".join(kept)).strip()


def paragraphs(text: str) -> list[str]:
    """Split at empty lines."""
    return [part.strip() for part in re.split(r"\n\s*\n", plain(text)) if part.strip()]


def time_span(start_ms: int, end_ms: int, zone_name: str, locale: Locale) -> str:
    """As "Tuesday, 3 March 2026, 10:00–11:00 (Asia/Shanghai)". An unknown zone is UTC."""
    zone, name = _zone(zone_name)
    start, end = _time(start_ms, zone), _time(end_ms, zone)
    last = f"{end:%H:%M}" if end.date() == start.date() else f"{_date(end, locale)} {end:%H:%M}"
    between = " " if locale == "zh-CN" else ", "
    brackets = "（{}）" if locale == "zh-CN" else " ({})"
    return f"{_date(start, locale)}{between}{start:%H:%M}–{last}{brackets.format(name)}"


def _date(day: datetime, locale: Locale) -> str:
    if locale == "zh-CN":
        return f"{day.year}年{day.month}月{day.day}日 星期{_DAYS_ZH[day.weekday()]}"
    return f"{_DAYS[day.weekday()]}, {day.day} {_MONTHS[day.month - 1]} {day.year}"


def _time(time_ms: int, zone: tzinfo) -> datetime:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=time_ms)).astimezone(zone)


def _zone(name: str) -> tuple[tzinfo, str]:
    try:
        return ZoneInfo(name), name
    except (KeyError, ValueError, OSError):  # none, a path, a folder
        return UTC, "UTC"
