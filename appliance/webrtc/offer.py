"""Offer text + line lists → an offer whose m-lines are told apart and whose transport is known.

Owns what an offer must hold to be answered at all: BUNDLE over everything, rtcp-mux, DTLS-SRTP, ICE credentials,
a certificate fingerprint, m-lines of the right kind where the lists point; and the reading of simulcast, SSRC and
SCTP attributes. Refuses to know codecs, header extensions and our answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from appliance.webrtc.sdp import Description, SdpError, Section, parse_untrusted

Source = Literal["microphone", "camera", "screen", "screen_audio"]
Kind = Literal["audio", "video"]
KIND_OF_SOURCE: Mapping[str, Kind] = {
    "microphone": "audio",
    "screen_audio": "audio",
    "camera": "video",
    "screen": "video",
}

# Three spatial layers is what browsers send at most, and what the data plane keeps per producer.
MAX_LAYERS = 3
# The names that simulcast clients give to their layers, lowest first: ours (q h f) and LiveKit's and Jitsi's (l m h
# would clash on "h", so only q/h/f and l/m/h as whole families count). Any other list is taken lowest first.
_LAYER_FAMILIES = (("q", "h", "f"), ("l", "m", "h"), ("0", "1", "2"))

SCTP_PORT = 5000  # RFC 8841 §5: any; 5000 is what everybody uses
_ICE_CHARACTERS = re.compile(r"[A-Za-z0-9+/]+")  # RFC 8839 §5.4
_FINGERPRINT = re.compile(r"(sha-256|sha-384|sha-512) ([0-9A-F]{2}(?::[0-9A-F]{2}){31,63})", re.IGNORECASE)
_FINGERPRINT_BYTES = {"sha-256": 32, "sha-384": 48, "sha-512": 64}
_RID = re.compile(r"[A-Za-z0-9_-]{1,16}")  # RFC 8851 §10, and the one-byte header's 16 bytes
_RTP_PROTOCOLS = frozenset({"UDP/TLS/RTP/SAVPF", "TCP/TLS/RTP/SAVPF", "RTP/SAVPF"})
DATA_PROTOCOLS = frozenset({"UDP/DTLS/SCTP", "TCP/DTLS/SCTP"})  # RFC 8841 §4.1


@dataclass(frozen=True, slots=True)
class Publishing:
    """The client says: on this m-line I send this source."""

    mid: str
    source: Source


@dataclass(frozen=True, slots=True)
class Seat:
    """The client says: these m-lines are this receive seat."""

    seat: int
    audio_mid: str | None
    video_mid: str | None


@dataclass(frozen=True, slots=True)
class Sctp:
    port: int
    max_message_bytes: int
    """What the client takes; 0 is without bound (RFC 8841 §6)."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A parsed offer whose m-lines are told apart; ``read_offer`` makes it."""

    description: Description
    live: tuple[Section, ...]
    """Sections in the BUNDLE that are not refused."""
    publish: Mapping[str, Publishing]
    receive: Mapping[str, tuple[int, Kind]]
    """mid → seat."""
    remote_ufrag: str
    remote_password: str
    fingerprints: tuple[tuple[str, str], ...]


def read_offer(text: str, publish: Sequence[Publishing], receive: Sequence[Seat]) -> Offer:
    """Parse and check an offer and the two line lists against each other.

    Raises SdpError with the field: "sdp" attributes by name, "publish[2].mid", "receive[0].audio_mid".
    """
    description = parse_untrusted(text)
    by_mid = {section.mid: section for section in description.sections}
    roles: dict[str, str] = {}

    def claim(mid: str, kind: Kind, field: str) -> None:
        section = by_mid.get(mid)
        if section is None:
            raise SdpError(f"the offer has no m-line with mid {mid!r}", field=field)
        if section.kind != kind:
            raise SdpError(f"m-line {mid!r} is {section.kind}, not {kind}", field=field)
        if mid in roles:
            raise SdpError(f"m-line {mid!r} is already {roles[mid]}", field=field)
        roles[mid] = field

    publishing: dict[str, Publishing] = {}
    for index, line in enumerate(publish):
        if any(p.source == line.source for p in publishing.values()):
            raise SdpError(f"source is published twice: {line.source}", field=f"publish[{index}].source")
        claim(line.mid, KIND_OF_SOURCE[line.source], f"publish[{index}].mid")
        publishing[line.mid] = line
    receiving: dict[str, tuple[int, Kind]] = {}
    for index, seat in enumerate(receive):
        if any(number == seat.seat for number, _ in receiving.values()):
            raise SdpError(f"seat is listed twice: {seat.seat}", field=f"receive[{index}].seat")
        if seat.audio_mid is None and seat.video_mid is None:
            raise SdpError("seat has neither an audio nor a video line", field=f"receive[{index}].audio_mid")
        if seat.audio_mid is not None:
            claim(seat.audio_mid, "audio", f"receive[{index}].audio_mid")
            receiving[seat.audio_mid] = (seat.seat, "audio")
        if seat.video_mid is not None:
            claim(seat.video_mid, "video", f"receive[{index}].video_mid")
            receiving[seat.video_mid] = (seat.seat, "video")

    bundled = set(description.bundle)
    live = tuple(s for s in description.sections if not s.rejected and s.mid in bundled)
    outside = [s for s in description.sections if not s.rejected and s.mid not in bundled]
    if outside:  # one port, one transport: RFC 8843 §7.3.1 would have us refuse, which no browser means
        raise SdpError("m-line is not in the BUNDLE group", field="group", line=outside[0].line)
    if not live:
        raise SdpError("no m-line is offered", field="m")
    for section in live:
        if section.kind in ("audio", "video"):
            if section.protocol not in _RTP_PROTOCOLS:
                raise SdpError(f"protocol is not DTLS-SRTP: {section.protocol}", field="m", line=section.line)
            if "rtcp-mux" not in section.attributes:
                raise SdpError("m-line is without rtcp-mux", field="rtcp-mux", line=section.line)
    ufrag, password, fingerprints = _transport(description, live)
    return Offer(description, live, publishing, receiving, ufrag, password, fingerprints)


def _transport(description: Description, live: Sequence[Section]) -> tuple[str, str, tuple[tuple[str, str], ...]]:
    """Credentials and fingerprints of the BUNDLE's transport: its first section's, else the session's."""
    tagged = next((s for mid in description.bundle for s in live if s.mid == mid), live[0])

    def values(name: str) -> Sequence[tuple[str, int]]:
        return tagged.attributes.get(name) or description.attributes.get(name) or ()

    def one(name: str, shortest: int) -> str:
        found = values(name)
        if not found:
            raise SdpError(f"{name} is missing", field=name, line=tagged.line)
        value, line = found[0]
        if not shortest <= len(value) <= 256 or _ICE_CHARACTERS.fullmatch(value) is None:
            raise SdpError(f"{name} is malformed", field=name, line=line)
        return value

    setup = values("setup")
    if setup and setup[0][0] not in ("actpass", "active"):  # we are passive, as RFC 5763 §5 lets the answerer be
        raise SdpError(f"setup is not actpass or active: {setup[0][0][:16]!r}", field="setup", line=setup[0][1])
    fingerprints: list[tuple[str, str]] = []
    for value, line in values("fingerprint"):
        match = _FINGERPRINT.fullmatch(value)
        if match is None:
            # RFC 8122 §5: hashes that we do not know are skipped; ours must be well formed.
            if value.partition(" ")[0].lower() in _FINGERPRINT_BYTES:
                raise SdpError("fingerprint is malformed", field="fingerprint", line=line)
            continue
        algorithm, digits = match[1].lower(), match[2].upper()
        if digits.count(":") + 1 != _FINGERPRINT_BYTES[algorithm]:
            raise SdpError("fingerprint has the wrong length", field="fingerprint", line=line)
        fingerprints.append((algorithm, digits))
    if not fingerprints:
        raise SdpError("no fingerprint by sha-256, sha-384 or sha-512", field="fingerprint", line=tagged.line)
    return one("ice-ufrag", 4), one("ice-pwd", 22), tuple(fingerprints)


def simulcast_rids(section: Section) -> tuple[str, ...]:
    """Layers of ``a=simulcast:send`` (RFC 8853 §5.1), lowest picture first; empty without simulcast."""
    found = section.first("simulcast")
    if found is None:
        return ()
    words = found[0].split()
    if len(words) not in (2, 4) or not set(words[::2]) <= {"send", "recv"}:
        raise SdpError("simulcast is malformed", field="simulcast", line=found[1])
    streams = dict(zip(words[::2], words[1::2], strict=True)).get("send")
    if streams is None:
        return ()
    declared = {value.partition(" ")[0] for value, _ in section.attributes.get("rid", ())}
    rids: list[str] = []
    for stream in streams.split(";"):
        rid = stream.split(",")[0].removeprefix("~")  # first alternative; "~" only says that it starts paused
        if _RID.fullmatch(rid) is None or rid not in declared or rid in rids:
            raise SdpError(f"simulcast names a bad rid: {rid[:16]!r}", field="simulcast", line=found[1])
        rids.append(rid)
    for family in _LAYER_FAMILIES:
        if set(rids) <= set(family):
            return tuple(sorted(rids, key=family.index))
    return tuple(rids[:MAX_LAYERS])


def signalled_ssrcs(section: Section) -> tuple[tuple[int, int | None], ...]:
    """The (media, rtx) pair of a section without simulcast (RFC 5576, RFC 4588 §8.8)."""

    def number(text: str, line: int, field: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > 10 or not 0 < int(text) < 2**32:
            raise SdpError(f"SSRC is not 1 to 4294967295: {text[:16]!r}", field=field, line=line)
        return int(text)

    for value, line in section.attributes.get("ssrc-group", ()):
        words = value.split()
        if words[:1] == ["FID"] and len(words) == 3:
            return ((number(words[1], line, "ssrc-group"), number(words[2], line, "ssrc-group")),)
    for value, line in section.attributes.get("ssrc", ()):
        return ((number(value.partition(" ")[0], line, "ssrc"), None),)
    return ()


def is_data(section: Section) -> bool:
    """A data channel section (RFC 8841 §4)."""
    return (
        section.kind == "application"
        and section.protocol in DATA_PROTOCOLS
        and section.formats == ("webrtc-datachannel",)
    )


def sctp_of(section: Section) -> Sctp:
    def number(name: str, default: int, most: int) -> int:
        found = section.first(name)
        if found is None:
            return default
        value, line = found
        if not value.isascii() or not value.isdigit() or len(value) > 19 or int(value) > most:
            raise SdpError(f"{name} is not a number up to {most}: {value[:24]!r}", field=name, line=line)
        return int(value)

    # RFC 8841 §5.2, §6.2: without the attributes the port is 5000 by custom and the size 64 kB.
    return Sctp(number("sctp-port", SCTP_PORT, 65535), number("max-message-size", 65_536, 2**63))
