"""SDP text of a stranger → sections and attributes, within bounds.

Owns the grammar of RFC 8866 as far as offers of browsers go, the bounds, and the one error type. Refuses to know
what an attribute means beyond its shape: codecs and answer read the sections. aiortc's parser is not used here: it
asserts, converts and indexes unchecked, so that a stranger's text ends in a dozen exception types, and it has no
bound on lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

# messages.Sdp: an offer of 49 seats fits. The same bound again, because WHIP offers do not pass that struct.
MAX_CHARACTERS = 262_144
# Chromium writes about 190 lines per receiving video section and 30 per audio section: 49 seats are 10,800 lines.
MAX_LINES = 16_384
# The longest lines are BUNDLE groups: 256 mids of 16 characters.
MAX_LINE_CHARACTERS = 8_192
# 100 receive lines of two m-lines, 8 publish lines, one application section, and stopped ones left in the text.
MAX_SECTIONS = 256

_CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")
_MID = re.compile(r"[A-Za-z0-9_\-+.]{1,16}")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`{|}~/-]{1,64}")


class SdpError(Exception):
    """The remote peer's SDP, or the line list that came with it, cannot be used.

    ``field`` names what is wrong ("ice-ufrag", "publish[0].mid"), ``line`` counts from 1 in the text where known.
    """

    def __init__(self, message: str, *, field: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"{message} (line {line})")
        self.field = field
        self.line = line


Attributes = Mapping[str, Sequence[tuple[str, int]]]
"""Attribute name → [(value, line number)]; a property attribute has the value "". """


@dataclass(frozen=True, slots=True)
class Section:
    """One m-section."""

    kind: str
    port: int
    protocol: str
    formats: tuple[str, ...]
    attributes: Attributes
    line: int
    mid: str

    @property
    def rejected(self) -> bool:
        """RFC 8829 §5.3.1: port 0 refuses a section, but not one that is bundle-only (RFC 8843 §7.2)."""
        return self.port == 0 and "bundle-only" not in self.attributes

    @property
    def direction(self) -> str:
        """sendrecv, sendonly, recvonly or inactive, of the offerer (RFC 8866 §6.7)."""
        for name in ("sendonly", "recvonly", "inactive"):
            if name in self.attributes:
                return name
        return "sendrecv"

    def first(self, name: str) -> tuple[str, int] | None:
        """First value and line of an attribute."""
        values = self.attributes.get(name)
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Description:
    """A whole session description."""

    attributes: Attributes
    sections: tuple[Section, ...]

    @property
    def bundle(self) -> tuple[str, ...]:
        """Mids of the first BUNDLE group, in order; empty without one."""
        for value, _ in self.attributes.get("group", ()):
            words = value.split()
            if words[:1] == ["BUNDLE"]:
                return tuple(words[1:])
        return ()


def _media_line(value: str, line: int) -> tuple[str, int, str, tuple[str, ...]]:
    words = value.split(" ")
    if len(words) < 4 or not all(words):
        raise SdpError(f"media line is malformed: {value[:64]!r}", field="m", line=line)
    kind, port, protocol, *formats = words
    if not port.isascii() or not port.isdigit() or len(port) > 5 or int(port) > 65535:
        raise SdpError(f"media port is not 0 to 65535: {port[:16]!r}", field="m", line=line)
    for word in (kind, protocol, *formats):
        if _TOKEN.fullmatch(word) is None:
            raise SdpError(f"media line is malformed: {word[:64]!r}", field="m", line=line)
    return kind, int(port), protocol, tuple(formats)


def _split(text: str) -> list[str]:
    if len(text) > MAX_CHARACTERS:
        raise SdpError(f"text is longer than {MAX_CHARACTERS} characters", field="sdp")
    if text.count("\n") > MAX_LINES:
        raise SdpError(f"text has more than {MAX_LINES} lines", field="sdp", line=MAX_LINES + 1)
    if (match := _CONTROL.search(text)) is not None:
        line = text.count("\n", 0, match.start()) + 1
        raise SdpError("text holds a control character", field="sdp", line=line)
    lines = text.replace("\r\n", "\n").split("\n")
    if lines[-1] == "":
        lines.pop()
    return lines


def parse_untrusted(text: str) -> Description:
    """Split an offer into sections. Raises SdpError and nothing else, whatever the text."""
    lines = _split(text)
    if lines[:1] != ["v=0"]:
        raise SdpError("text does not start with v=0", field="v", line=1)
    session: dict[str, list[tuple[str, int]]] = {}
    current = session
    headers: list[tuple[tuple[str, int, str, tuple[str, ...]], int, dict[str, list[tuple[str, int]]]]] = []
    for number, line in enumerate(lines, 1):
        if len(line) > MAX_LINE_CHARACTERS:
            raise SdpError(f"line is longer than {MAX_LINE_CHARACTERS} characters", field="sdp", line=number)
        if len(line) < 2 or line[1] != "=" or not "a" <= line[0] <= "z" or "\r" in line:
            raise SdpError(f"line is not <letter>=<value>: {line[:32]!r}", field="sdp", line=number)
        if line[0] == "a":
            name, _, value = line[2:].partition(":")
            current.setdefault(name, []).append((value, number))
        elif line[0] == "m":
            if len(headers) == MAX_SECTIONS:
                raise SdpError(f"more than {MAX_SECTIONS} media sections", field="m", line=number)
            current = {}
            headers.append((_media_line(line[2:], number), number, current))
    mids: set[str] = set()
    sections: list[Section] = []
    for (kind, port, protocol, formats), number, attributes in headers:
        mid, line_of_mid = attributes.get("mid", [("", number)])[0]
        if _MID.fullmatch(mid) is None:
            raise SdpError(f"mid is missing or malformed: {mid[:32]!r}", field="mid", line=line_of_mid)
        if mid in mids:
            raise SdpError(f"mid occurs twice: {mid!r}", field="mid", line=line_of_mid)
        mids.add(mid)
        sections.append(Section(kind, port, protocol, formats, attributes, number, mid))
    return Description(session, tuple(sections))
