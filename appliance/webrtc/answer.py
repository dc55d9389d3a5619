"""Offer + what each m-line is for → the answer's text and everything the media plane must be told.

Owns JSEP's answering side (RFC 8829 §5.3) for one kind of peer: a client that always offers, BUNDLE, rtcp-mux,
ICE-lite, and us as the passive DTLS end. Refuses to know ids of the data plane, rooms, and randomness: credentials
and SSRCs come in. The same function answers first offers and re-offers; nothing is remembered here.

Every m-line is answered: publish lines ``recvonly``, receive lines ``sendonly`` with the SSRCs of their seat, the
first data line with our SCTP port, and the rest ``inactive`` (kept in the BUNDLE) or refused by port 0.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance.webrtc.codecs import (
    AV1,
    VP9,
    Codec,
    answer_parameters,
    offered_codecs,
    order_by_preference,
    session_codecs,
)
from appliance.webrtc.offer import (
    SCTP_PORT,
    Kind,
    Offer,
    Sctp,
    Source,
    is_data,
    sctp_of,
    signalled_ssrcs,
    simulcast_rids,
)
from appliance.webrtc.sdp import SdpError, Section

EXTENSION_URIS: Mapping[str, str] = {
    "audio_level": "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
    "abs_send_time": "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time",
    "transport_cc": "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01",
    "mid": "urn:ietf:params:rtp-hdrext:sdes:mid",
    "rid": "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id",
    "repaired_rid": "urn:ietf:params:rtp-hdrext:sdes:repaired-rtp-stream-id",
    "playout_delay": "http://www.webrtc.org/experiments/rtp-hdrext/playout-delay",
    "video_orientation": "urn:3gpp:video-orientation",
    "dependency_descriptor": (
        "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension"
    ),
}
"""Names of _dataplane.Extensions → URIs."""
_NAME_OF_URI = {uri: name for name, uri in EXTENSION_URIS.items()}

# What is answered where. RID names layers of a publisher only; a receiver of ours never sees one (RFC 8852).
# The dependency descriptor is asked of publishers only where VP9 or AV1 is what they will send: with it Chromium strips
# picture ids and layers from VP8's payload descriptor, which everybody reads and not everybody's browser does without.
# Its structures are longer than the 16 bytes of a one-byte header (RFC 8285 §4.2): without mixed headers it stays away.
# abs-send-time is taken only from a client without transport-wide sequence numbers: one clock per direction is enough.
_WHEN_RECEIVING: Mapping[Kind, frozenset[str]] = {
    "audio": frozenset({"audio_level", "abs_send_time", "transport_cc", "mid"}),
    "video": frozenset(EXTENSION_URIS),
}
_WHEN_SENDING: Mapping[Kind, frozenset[str]] = {
    "audio": frozenset({"audio_level", "abs_send_time", "transport_cc", "mid"}),
    "video": frozenset(EXTENSION_URIS) - {"rid", "repaired_rid"},
}
_DESCRIPTOR = frozenset({"dependency_descriptor"})
_DESCRIBED = frozenset({VP9, AV1})

MAX_MESSAGE_BYTES = 16_384  # a reaction or caption is under 1 kB; RFC 8831 §6.6 calls 16 kB safe everywhere


@dataclass(frozen=True, slots=True)
class SeatStreams:
    """SSRCs of one seat, the same for the life of the transport."""

    audio: int
    video: int
    video_rtx: int


@dataclass(frozen=True, slots=True)
class Candidate:
    """A host candidate of ours; ``tcp`` is passive (RFC 6544)."""

    address: str
    port: int
    tcp: bool


@dataclass(frozen=True, slots=True)
class LocalTransport:
    """Our end."""

    ufrag: str
    password: str
    fingerprint: str
    """"sha-256 AA:BB:…"""
    candidates: tuple[Candidate, ...]
    origin: int
    """Numeric session id of the o= line."""
    version: int
    """Counts up by one with each answer (RFC 8866 §5.2)."""


@dataclass(frozen=True, slots=True)
class NegotiatedPayload:
    payload_type: int
    format: str
    clock_rate: int
    rtx_payload_type: int | None


@dataclass(frozen=True, slots=True)
class NegotiatedProducer:
    source: Source
    kind: Kind
    mid: str
    rids: tuple[str, ...]
    """Lowest picture size first; empty without simulcast."""
    ssrcs: tuple[tuple[int, int | None], ...]
    """(media, rtx) where the offer names them and there are no rids."""


@dataclass(frozen=True, slots=True)
class NegotiatedConsumer:
    seat: int
    kind: Kind
    mid: str
    ssrc: int
    rtx_ssrc: int | None


@dataclass(frozen=True, slots=True)
class NegotiatedSession:
    """What the offer and our answer agree on."""

    payloads: tuple[NegotiatedPayload, ...]
    extensions: Mapping[str, int]
    """Names of _dataplane.Extensions → ids."""
    producers: tuple[NegotiatedProducer, ...]
    consumers: tuple[NegotiatedConsumer, ...]
    remote_ufrag: str
    remote_password: str
    fingerprints: tuple[tuple[str, str], ...]
    """(algorithm, upper-case value): every one must match the client's certificate."""
    sctp: Sctp | None


def _extension_ids(section: Section, allowed: frozenset[str], ours: str) -> dict[str, tuple[int, str]]:
    """name → (id, our direction suffix) of the extensions that we take on a section."""
    out: dict[str, tuple[int, str]] = {}
    for value, line in section.attributes.get("extmap", ()):
        words = value.split(" ")
        number, _, direction = words[0].partition("/")
        if len(words) < 2 or not number.isascii() or not number.isdigit() or len(number) > 5:
            raise SdpError(f"extmap is malformed: {value[:64]!r}", field="extmap", line=line)
        name = _NAME_OF_URI.get(words[1])
        # RFC 8285 §4.2, §4.3: 1 to 14 in the one-byte form, to 255 in the two-byte form.
        if name not in allowed or direction == "inactive" or not 1 <= int(number) <= 255:
            continue
        mirrored = {"sendonly": "recvonly", "recvonly": "sendonly"}.get(direction, "")
        if mirrored not in ("", ours):  # Firefox lists extensions that it would only use the other way
            continue
        out.setdefault(name, (int(number), f"/{mirrored}" if mirrored else ""))
    if "transport_cc" in out:
        out.pop("abs_send_time", None)
    return out


def _candidate_line(number: int, candidate: Candidate) -> str:
    # RFC 8445 §5.1.2.1: (type 126 << 24) | (local preference << 8) | (256 - component). IPv6 before IPv4 (RFC 8421),
    # UDP before TCP; RFC 6544 §4.2 gives passive TCP direction preference 4: 4 << 13 plus the other-preference.
    address = ipaddress.ip_address(candidate.address)
    other = (8191 if address.version == 6 else 4095) - min(number, 4095)
    local = (4 << 13) + other if candidate.tcp else (7 << 13) + other
    priority = (126 << 24) | (local << 8) | 255
    transport = "tcp" if candidate.tcp else "udp"
    suffix = " tcptype passive" if candidate.tcp else ""
    return f"a=candidate:{number} 1 {transport} {priority} {address} {candidate.port} typ host{suffix}"


def compose_answer(
    offer: Offer, *, local: LocalTransport, seats: Mapping[int, SeatStreams], video_codecs: Sequence[str]
) -> tuple[str, NegotiatedSession]:
    """The answer's text and what was agreed.

    ``seats`` holds the SSRCs of every seat that the offer lists; ``video_codecs`` is the order of preference, names
    of settings.media.video_codecs. Raises SdpError for malformed media attributes.
    """
    return _Answer(offer, seats, video_codecs).compose(local)


class _Answer:
    """One answer in the making: sections are visited in the order of the offer."""

    def __init__(self, offer: Offer, seats: Mapping[int, SeatStreams], video_codecs: Sequence[str]) -> None:
        self._offer = offer
        self._seats = seats
        self._video_codecs = video_codecs
        self._codecs = {s.mid: offered_codecs(s) for s in offer.live if s.kind in ("audio", "video")}
        self._table = session_codecs(list(self._codecs.values()))
        self._live = {s.mid for s in offer.live}
        self._mixed = _mixed(offer)
        self._accepted: list[str] = []
        self._extensions: dict[str, int] = {}
        self._payloads: dict[int, NegotiatedPayload] = {}
        self._producers: list[NegotiatedProducer] = []
        self._consumers: list[NegotiatedConsumer] = []
        self._sctp: Sctp | None = None

    def compose(self, local: LocalTransport) -> tuple[str, NegotiatedSession]:
        offer = self._offer
        bodies = [self._section(section) for section in offer.description.sections]
        if not self._accepted:
            raise SdpError("no m-line has a codec that we forward", field="m")
        self._accepted.sort(key=offer.description.bundle.index)
        # Candidates go into the section that the answer's BUNDLE group names first (RFC 8843 §7.4).
        tagged = next(i for i, s in enumerate(offer.description.sections) if s.mid == self._accepted[0])
        bodies[tagged] += [_candidate_line(n, c) for n, c in enumerate(local.candidates, 1)]
        bodies[tagged].append("a=end-of-candidates")
        session = [
            "v=0",
            f"o=parley {local.origin} {local.version} IN IP4 127.0.0.1",
            "s=-",
            "t=0 0",
            f"a=group:BUNDLE {' '.join(self._accepted)}",
            *(["a=extmap-allow-mixed"] if self._mixed else []),
            "a=msid-semantic: WMS *",
            "a=ice-lite",
            f"a=ice-ufrag:{local.ufrag}",
            f"a=ice-pwd:{local.password}",
            f"a=fingerprint:{local.fingerprint}",
            "a=setup:passive",
        ]
        text = "".join(f"{line}\r\n" for body in (session, *bodies) for line in body)
        return text, NegotiatedSession(
            payloads=tuple(self._payloads.values()),
            extensions=self._extensions,
            producers=tuple(self._producers),
            consumers=tuple(self._consumers),
            remote_ufrag=offer.remote_ufrag,
            remote_password=offer.remote_password,
            fingerprints=offer.fingerprints,
            sctp=self._sctp,
        )

    def _section(self, section: Section) -> list[str]:
        if section.mid in self._live:
            if self._sctp is None and is_data(section):
                return self._data(section)
            codecs = [
                c
                for c in self._codecs.get(section.mid, ())
                if c.format in self._table and self._table[c.format].payload_type == c.payload_type
            ]
            if codecs:
                return self._media(section, codecs)
        return [
            f"m={section.kind} 0 {section.protocol} {' '.join(section.formats)}",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{section.mid}",
            "a=inactive",
        ]

    def _data(self, section: Section) -> list[str]:
        self._sctp = sctp_of(section)
        self._accepted.append(section.mid)
        return [
            f"m=application 9 {section.protocol} webrtc-datachannel",
            "c=IN IP4 0.0.0.0",
            f"a=mid:{section.mid}",
            f"a=sctp-port:{SCTP_PORT}",
            f"a=max-message-size:{MAX_MESSAGE_BYTES}",
        ]

    def _media(self, section: Section, codecs: list[Codec]) -> list[str]:
        mid = section.mid
        self._accepted.append(mid)
        kind: Kind = "audio" if section.kind == "audio" else "video"
        publishing = self._offer.publish.get(mid)
        receiving = self._offer.receive.get(mid)
        music = publishing is not None and publishing.source == "screen_audio"
        direction, allowed, own = "inactive", frozenset[str](), list[str]()
        if publishing is not None and section.direction in ("sendrecv", "sendonly"):
            direction, allowed = "recvonly", _WHEN_RECEIVING[kind]
            codecs = order_by_preference(codecs, self._video_codecs) if kind == "video" else codecs
            allowed = allowed if codecs[0].format in _DESCRIBED else allowed - _DESCRIPTOR
            own = self._publish(section, kind, publishing.source)
        elif receiving is not None and section.direction in ("sendrecv", "recvonly"):
            direction, allowed = "sendonly", _WHEN_SENDING[kind]
            own = self._receive(mid, kind, receiving[0], codecs)
        if not self._mixed:
            allowed -= _DESCRIPTOR
        numbers = [n for c in codecs for n in (c.payload_type, c.rtx_payload_type) if n is not None]
        lines = [
            f"m={kind} 9 {section.protocol} {' '.join(map(str, numbers))}",
            "c=IN IP4 0.0.0.0",
            "a=rtcp:9 IN IP4 0.0.0.0",
            f"a=mid:{mid}",
        ]
        for name, (number, suffix) in _extension_ids(section, allowed, direction).items():
            # One meaning for a number and one number for a meaning in the BUNDLE (RFC 8843 §9.1).
            taken = number in self._extensions.values()
            if self._extensions.get(name) == number or (name not in self._extensions and not taken):
                self._extensions[name] = number
                lines.append(f"a=extmap:{number}{suffix} {EXTENSION_URIS[name]}")
        lines += [f"a={direction}", "a=rtcp-mux"]
        if "rtcp-rsize" in section.attributes:  # RFC 5506
            lines.append("a=rtcp-rsize")
        for codec in codecs:
            lines += _codec_lines(codec, music=music)
            self._payloads.setdefault(
                codec.payload_type,
                NegotiatedPayload(codec.payload_type, codec.format, codec.clock_rate, codec.rtx_payload_type),
            )
        return lines + own

    def _publish(self, section: Section, kind: Kind, source: Source) -> list[str]:
        rids = simulcast_rids(section) if kind == "video" else ()
        ssrcs = () if rids else signalled_ssrcs(section)
        self._producers.append(NegotiatedProducer(source, kind, section.mid, rids, ssrcs))
        lines = [f"a=rid:{rid} recv" for rid in rids]
        return [*lines, f"a=simulcast:recv {';'.join(rids)}"] if rids else []

    def _receive(self, mid: str, kind: Kind, seat: int, codecs: Sequence[Codec]) -> list[str]:
        streams = self._seats[seat]
        ssrc = streams.audio if kind == "audio" else streams.video
        repaired = kind == "video" and any(c.rtx_payload_type is not None for c in codecs)
        rtx = streams.video_rtx if repaired else None
        self._consumers.append(NegotiatedConsumer(seat, kind, mid, ssrc, rtx))
        # One MediaStream per seat, so that browsers keep its sound and picture in step (RFC 8830).
        stream = f"seat-{seat} seat-{seat}-{kind}"
        lines = [f"a=msid:{stream}"]
        if rtx is not None:
            lines.append(f"a=ssrc-group:FID {ssrc} {rtx}")
        for number in (ssrc,) if rtx is None else (ssrc, rtx):
            lines += [f"a=ssrc:{number} cname:seat-{seat}", f"a=ssrc:{number} msid:{stream}"]
        return lines


def _codec_lines(codec: Codec, *, music: bool) -> list[str]:
    number = codec.payload_type
    channels = f"/{codec.channels}" if codec.channels is not None else ""
    lines = [f"a=rtpmap:{number} {codec.name}/{codec.clock_rate}{channels}"]
    lines += [f"a=rtcp-fb:{number} {feedback}" for feedback in codec.feedback]
    if parameters := answer_parameters(codec, music=music):
        lines.append(f"a=fmtp:{number} {parameters}")
    if codec.rtx_payload_type is not None:
        rtx = codec.rtx_payload_type
        lines += [f"a=rtpmap:{rtx} rtx/{codec.clock_rate}", f"a=fmtp:{rtx} apt={number}"]
    return lines


def _mixed(offer: Offer) -> bool:
    """RFC 8285 §6: allowed for the whole session, or on every section."""
    return "extmap-allow-mixed" in offer.description.attributes or all(
        "extmap-allow-mixed" in s.attributes for s in offer.live if s.kind in ("audio", "video")
    )
