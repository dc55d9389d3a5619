"""Which payload types of an offer we take, under which canonical name, and what the answer says about them.

Owns the codec policy: Opus, and Opus in redundant blocks (RED, RFC 2198); VP8, VP9 profile 0, H.264 from constrained
baseline to high in packetization mode 1, AV1 main. Of H.264 constrained baseline is preferred, which every browser that
has H.264 decodes; the other profiles are taken from whoever has nothing else (programs that stream in) and given to
whoever decodes them. Equal canonical names may be forwarded to each other without touching a frame, so a name holds
everything that a decoder must agree on. Refuses to know m-line directions, ICE and seats.

One payload type per canonical name and session: the data plane finds the outgoing payload type by name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance.webrtc.sdp import SdpError, Section

OPUS = "opus"
RED = "red/opus"
VP8 = "vp8"
VP9 = "vp9/0"
H264 = "h264/42e01f/1"
H264_MAIN = "h264/4d001f/1"
H264_CONSTRAINED_HIGH = "h264/640c1f/1"
H264_HIGH = "h264/64001f/1"
AV1 = "av1/0"

FORMAT_OF_SETTING: Mapping[str, str] = {"vp8": VP8, "vp9": VP9, "h264": H264, "av1": AV1}
"""Names in settings.media.video_codecs → canonical names."""

# RFC 4585 §4.2, RFC 5104 §7.1, draft-holmer-rmcat-transport-wide-cc-extensions-01 §2.
_VIDEO_FEEDBACK = ("transport-cc", "ccm fir", "nack", "nack pli")
_AUDIO_FEEDBACK = ("transport-cc",)

_RTPMAP = re.compile(r"(\d{1,3}) ([A-Za-z0-9._-]{1,32})/(\d{1,8})(?:/(\d{1,2}))?")
_PROFILE_LEVEL_ID = re.compile(r"[0-9A-Fa-f]{6}")
# RFC 2198 §5: the payload types of the blocks. Browsers name Opus twice and send one older block or two.
_RED_BLOCKS = re.compile(r"(\d{1,3})(?:/\1){0,31}")
_SMALL_NUMBER = re.compile(r"\d{1,3}")


@dataclass(frozen=True, slots=True)
class Codec:
    """One payload type of the offer that we take."""

    payload_type: int
    format: str
    name: str
    """Encoding name as offered, for the answer's rtpmap."""
    clock_rate: int
    channels: int | None
    rtx_payload_type: int | None
    feedback: tuple[str, ...]
    parameters: Mapping[str, str]
    rank: int
    """Lower is the better carrier of the same format."""


def _parameters(text: str) -> dict[str, str]:
    out: dict[str, str] = {}
    for part in text.split(";"):
        key, _, value = part.strip().partition("=")
        if key:
            out[key.lower()] = value
    return out


def red_blocks(parameters: Mapping[str, str]) -> int | None:
    """The one payload type of RED's blocks; None when they differ or are not told."""
    match = next((m for m in map(_RED_BLOCKS.fullmatch, parameters) if m is not None), None)
    return int(match[1]) if match is not None else None


def canonical_format(
    name: str, clock_rate: int, channels: int | None, parameters: Mapping[str, str]
) -> tuple[str, int] | None:
    """(canonical name, rank) of a payload type, None when we do not forward it."""
    match name.lower(), clock_rate:
        case "opus", 48000 if channels == 2:  # RFC 7587 §7: always opus/48000/2
            return OPUS, 0
        case "red", 48000 if channels == 2 and red_blocks(parameters) is not None:
            return RED, 0
        case "vp8", 90000:
            return VP8, 0
        case "vp9", 90000 if parameters.get("profile-id", "0") == "0":  # RFC 9628 §6: profile 0 unless said
            return VP9, 0
        case "av1", 90000 if parameters.get("profile", "0") == "0":  # AV1 RTP §7.2.1: main unless said
            return AV1, 0
        case "h264", 90000 if parameters.get("packetization-mode") == "1":
            # RFC 6184 §8.1: without the parameter it is 42000a, Baseline.
            return _h264(parameters.get("profile-level-id", "42000a"))
    return None


def _h264(profile_level_id: str) -> tuple[str, int] | None:
    """RFC 6184 §8.1, table 5: profile_idc and the constraint flags in profile-iop; the level is either side's own."""
    if _PROFILE_LEVEL_ID.fullmatch(profile_level_id) is None:
        return None
    profile, flags = profile_level_id[:2].lower(), int(profile_level_id[2:4], 16)
    match profile:
        case "42":
            # Plain Baseline is a worse carrier of Constrained Baseline: no WebRTC encoder uses what it adds (FMO, ASO),
            # and constrained streams play in Baseline decoders.
            return H264, 0 if flags & 0x40 else 1
        case "4d":
            return (H264, 1) if flags & 0x80 else (H264_MAIN, 0)
        case "64" if flags & 0x0C == 0x0C:
            return H264_CONSTRAINED_HIGH, 0
        case "64" if flags == 0:
            return H264_HIGH, 0
    return None


def _payload_type(text: str, line: int, what: str) -> int:
    if not text.isascii() or not text.isdigit() or len(text) > 3 or int(text) > 127:
        raise SdpError(f"payload type is not 0 to 127: {text[:16]!r}", field=what, line=line)
    return int(text)


def _fmtp(section: Section) -> dict[int, dict[str, str]]:
    out: dict[int, dict[str, str]] = {}
    for value, line in section.attributes.get("fmtp", ()):
        number, _, rest = value.partition(" ")
        out[_payload_type(number, line, "fmtp")] = _parameters(rest)
    return out


def _feedback(section: Section) -> dict[int | None, set[str]]:
    """Offered feedback by payload type; None is the wildcard of RFC 4585 §4.2."""
    out: dict[int | None, set[str]] = {}
    for value, line in section.attributes.get("rtcp-fb", ()):
        number, _, rest = value.partition(" ")
        key = None if number == "*" else _payload_type(number, line, "rtcp-fb")
        out.setdefault(key, set()).add(rest.strip())
    return out


def offered_codecs(section: Section) -> list[Codec]:
    """Payload types of an audio or video section that we take, in the offered order.

    Raises SdpError for malformed rtpmap, fmtp and rtcp-fb lines.
    """
    listed = [_payload_type(text, section.line, "m") for text in section.formats]
    rtpmap: dict[int, tuple[str, int, int | None]] = {}
    for value, line in section.attributes.get("rtpmap", ()):
        match = _RTPMAP.fullmatch(value)
        if match is None:
            raise SdpError(f"rtpmap is malformed: {value[:64]!r}", field="rtpmap", line=line)
        channels = int(match[4]) if match[4] else None
        rtpmap[_payload_type(match[1], line, "rtpmap")] = (match[2], int(match[3]), channels)
    fmtp = _fmtp(section)
    feedback = _feedback(section)
    rtx: dict[int, int] = {}  # RFC 4588 §8.6: apt names the payload type that is repaired
    for payload_type in listed:
        if rtpmap.get(payload_type, ("",))[0].lower() == "rtx":
            apt = fmtp.get(payload_type, {}).get("apt", "")
            if apt.isascii() and apt.isdigit() and len(apt) <= 3:
                rtx.setdefault(int(apt), payload_type)
    ours = _AUDIO_FEEDBACK if section.kind == "audio" else _VIDEO_FEEDBACK
    out: list[Codec] = []
    for payload_type in listed:
        if payload_type not in rtpmap:
            continue
        name, clock_rate, channels = rtpmap[payload_type]
        parameters = fmtp.get(payload_type, {})
        found = canonical_format(name, clock_rate, channels, parameters)
        if found is None or (found[0] in (OPUS, RED)) != (section.kind == "audio"):
            continue
        if 64 <= payload_type <= 95:  # RFC 5761 §4: not distinguishable from RTCP on one port
            raise SdpError(f"payload type clashes with RTCP: {payload_type}", field="m", line=section.line)
        theirs = feedback.get(payload_type, set()) | feedback.get(None, set())
        out.append(
            Codec(
                payload_type=payload_type,
                format=found[0],
                name=name,
                clock_rate=clock_rate,
                channels=channels,
                rtx_payload_type=rtx.get(payload_type),
                feedback=tuple(f for f in ours if f in theirs),
                parameters=parameters,
                rank=found[1],
            )
        )
    plain = {codec.payload_type for codec in out if codec.format == OPUS}
    return [codec for codec in out if codec.format != RED or red_blocks(codec.parameters) in plain]


def session_codecs(sections: Sequence[list[Codec]]) -> dict[str, Codec]:
    """Canonical name → the payload type that carries it in the whole session (RFC 8843 §9.1).

    The best rank wins, then the first offered. A payload type that means two things in one BUNDLE is refused. RED goes
    where its Opus goes: blocks of another payload type than the session's would have no name.
    """
    meaning: dict[int, str] = {}
    best: dict[str, Codec] = {}
    for codecs in sections:
        for codec in codecs:
            used = [(codec.payload_type, codec.format)]
            if codec.rtx_payload_type is not None:
                used.append((codec.rtx_payload_type, f"rtx/{codec.payload_type}"))
            for number, means in used:
                if meaning.setdefault(number, means) != means:
                    raise SdpError(f"payload type {number} means two formats in one BUNDLE group", field="rtpmap")
            held = best.get(codec.format)
            if held is None or codec.rank < held.rank:
                best[codec.format] = codec
    if RED in best and red_blocks(best[RED].parameters) != best[OPUS].payload_type:
        del best[RED]
    return best


def order_by_preference(codecs: Sequence[Codec], preference: Sequence[str]) -> list[Codec]:
    """Stable order for an answer: names of settings.media.video_codecs first; others as offered, behind."""
    wanted = [FORMAT_OF_SETTING[name] for name in preference if name in FORMAT_OF_SETTING]
    return sorted(codecs, key=lambda c: wanted.index(c.format) if c.format in wanted else len(wanted))


def answer_parameters(codec: Codec, *, music: bool) -> str:
    """The fmtp parameters we answer; empty when the codec needs none.

    Speech: in-band FEC stays on (RED repairs more and costs more; a client without it has FEC alone), and
    discontinuous transmission, so that a silent microphone costs a packet each 400 ms.
    ``music``: shared screen audio; stereo and no discontinuous transmission, which clips quiet passages.
    """
    given = codec.parameters
    match codec.format:
        case "opus":
            # RFC 7587 §6.1: these tell the sender what we like to receive. 128 kb/s is its "fullband stereo music".
            if music:
                return "minptime=10;useinbandfec=1;stereo=1;maxaveragebitrate=128000"
            return "minptime=10;useinbandfec=1;usedtx=1"
        case "red/opus":
            blocks = red_blocks(given)
            return f"{blocks}/{blocks}"
        case "vp9/0":
            return "profile-id=0"
        case "h264/42e01f/1" | "h264/4d001f/1" | "h264/640c1f/1" | "h264/64001f/1":
            # RFC 6184 §8.2.2: profile and mode are answered as offered; levels may differ where both sides allow it.
            profile = given.get("profile-level-id", "42000a").lower()
            asymmetry = "level-asymmetry-allowed=1;" if given.get("level-asymmetry-allowed") == "1" else ""
            return f"{asymmetry}packetization-mode=1;profile-level-id={profile}"
        case "av1/0":
            kept = [
                f"{key}={given[key]}"
                for key in ("level-idx", "profile", "tier")
                if _SMALL_NUMBER.fullmatch(given.get(key, ""))
            ]
            return ";".join(kept)
    return ""
