"""What WHIP and WHEP leave unsaid in an offer, and their SDP fragments. Pure.

Such clients send an offer without the line lists of our signaling: here the lists are derived from it. A WHIP client
(RFC 9725) publishes one audio and one video line at most (§4.4.2), a WHEP client (draft-ietf-wish-whep) receives as
many. Later it changes nothing but ICE, in fragments of SDP (RFC 8840 §9). Refuses to know HTTP and meetings.

An ICE restart is answered as a re-offer: the old offer with the new credentials. The rejected design, a restart of
its own in the session, would have been a second way to a transport's next state.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.webrtc.offer import Publishing, Seat, Source
from appliance.webrtc.sdp import Description, SdpError, Section

# A fragment holds credentials and candidates: of a laptop with ten addresses over UDP and TCP, 2 kB and 30 lines.
MAX_FRAGMENT_CHARACTERS = 16_384
MAX_FRAGMENT_LINES = 256

_ICE_CHARACTERS = re.compile(r"[A-Za-z0-9+/]+")  # RFC 8839 §5.4
_CONTROL = re.compile(r"[\x00-\x09\x0b\x0c\x0e-\x1f\x7f]")
# What belongs to the ICE session and not to the rest of a description (RFC 8840 §9.1).
_OF_ICE = re.compile(r"^a=(?:ice-ufrag|ice-pwd|candidate|end-of-candidates|remote-candidates)\b[^\r\n]*\r?\n?", re.M)
_OF_TRANSPORT = re.compile(r"^a=(?:ice-ufrag|ice-pwd|fingerprint|setup):[^\r\n]*\r\n", re.M)

SEAT = 0
"""Number of a viewer's only seat."""


@dataclass(frozen=True, slots=True)
class Fragment:
    """The client's ICE credentials; both None in a fragment that only brings candidates, which we do not need."""

    ufrag: str | None
    password: str | None


def publish_lines(offer: Description, *, picture: Source, sound: Source) -> list[Publishing]:
    """The one audio and the one video line as these sources. SdpError names what is wrong."""
    lines = _media_lines(offer, wrong=("recvonly", "inactive"), task="publishing")
    return [Publishing(s.mid, sound if s.kind == "audio" else picture) for s in lines]


def receive_line(offer: Description) -> Seat:
    """The one audio and the one video line as one seat; either may be missing. SdpError names what is wrong."""
    mids = {s.kind: s.mid for s in _media_lines(offer, wrong=("sendonly", "inactive"), task="receiving")}
    return Seat(SEAT, mids.get("audio"), mids.get("video"))


def _media_lines(offer: Description, *, wrong: Sequence[str], task: str) -> list[Section]:
    lines: list[Section] = []
    for section in offer.sections:
        if section.rejected or section.kind not in ("audio", "video"):
            continue
        if section.direction in wrong:
            raise SdpError(f"m-line is {section.direction}: no use for {task}", field="m", line=section.line)
        if any(section.kind == other.kind for other in lines):
            raise SdpError(f"a second {section.kind} line is offered", field="m", line=section.line)
        lines.append(section)
    if not lines:
        raise SdpError(f"no audio or video line is offered for {task}", field="m")
    return lines


def check_whole(answer: str) -> None:
    """No m-line of ours may be refused: a stream that is half there misleads people (RFC 9725 §4.4.3). SdpError."""
    refused = re.search(r"^m=(audio|video) 0 ", answer, re.M)
    if refused is not None:
        raise SdpError(f"the {refused[1]} line has no codec that we forward", field="m")


def spelled_out(answer: str) -> str:
    """Our answer with the transport in every m-section. JSEP allows it once for all (RFC 8866 §5), which answers of 49
    seats use; GStreamer's webrtcbin (1.22) refuses an m-section without a=setup of its own."""
    head, *sections = re.split(r"(?m)^(?=m=)", answer)
    transport = "".join(_OF_TRANSPORT.findall(head))
    marked = (section.replace("a=mid:", f"{transport}a=mid:", 1) for section in sections)
    return _OF_TRANSPORT.sub("", head) + "".join(marked)


def read_fragment_untrusted(text: str) -> Fragment:
    """Raises SdpError and nothing else, whatever the text. Candidates are ignored: an ICE-lite agent learns addresses
    from checks (RFC 8445 §2.5), and what it cannot use is to be discarded silently (RFC 9725 §4.3.2)."""
    if len(text) > MAX_FRAGMENT_CHARACTERS:
        raise SdpError(f"fragment is longer than {MAX_FRAGMENT_CHARACTERS} characters", field="sdp")
    if text.count("\n") > MAX_FRAGMENT_LINES:
        raise SdpError(f"fragment has more than {MAX_FRAGMENT_LINES} lines", field="sdp")
    found: dict[str, str] = {}
    known = False
    for number, line in enumerate(text.replace("\r\n", "\n").rstrip("\n").split("\n"), 1):
        if len(line) < 2 or line[1] != "=" or not "a" <= line[0] <= "z" or _CONTROL.search(line) or "\r" in line:
            raise SdpError(f"line is not <letter>=<value>: {line[:32]!r}", field="sdp", line=number)
        name, _, value = line[2:].partition(":")
        if line[0] != "a":
            continue
        known = known or name in ("ice-ufrag", "candidate", "end-of-candidates")
        if name in ("ice-ufrag", "ice-pwd"):
            shortest = 4 if name == "ice-ufrag" else 22  # RFC 8839 §5.4
            if not shortest <= len(value) <= 256 or _ICE_CHARACTERS.fullmatch(value) is None:
                raise SdpError(f"{name} is malformed", field=name, line=number)
            if found.setdefault(name, value) != value:  # one BUNDLE, one ICE session (RFC 9143 §7.1.3)
                raise SdpError(f"{name} has two values", field=name, line=number)
    if not known:
        raise SdpError("fragment has neither ICE credentials nor candidates", field="sdp")
    if ("ice-ufrag" in found) != ("ice-pwd" in found):
        missing = "ice-pwd" if "ice-ufrag" in found else "ice-ufrag"
        raise SdpError(f"{missing} is missing", field=missing)
    return Fragment(found.get("ice-ufrag"), found.get("ice-pwd"))


def with_credentials(offer: str, fragment: Fragment) -> str:
    """The offer of the ICE session that a fragment begins."""
    head, *sections = re.split(r"(?m)^(?=m=)", _OF_ICE.sub("", offer))
    lines = f"a=ice-ufrag:{fragment.ufrag}\r\na=ice-pwd:{fragment.password}\r\n"
    # Every section: which one is the BUNDLE's first is not looked at here.
    return head + "".join(_ended(section) + lines for section in sections)


def _ended(section: str) -> str:
    return section if section.endswith("\n") else section + "\r\n"


def ice_ufrag(text: str) -> str:
    """The first user name fragment of a description; SdpError when there is none."""
    found = re.search(r"^a=ice-ufrag:([^\r\n]+)", text, re.M)
    if found is None:
        raise SdpError("ice-ufrag is missing", field="ice-ufrag")
    return found[1]


def fragment_of(answer: str) -> str:
    """Our credentials and candidates, from our whole answer to an ICE restart."""
    lines = answer.replace("\r\n", "\n").split("\n")
    bundle = next(line for line in lines if line.startswith("a=group:BUNDLE "))
    first = bundle.split(" ")[1]
    at = lines.index(f"a=mid:{first}")
    media = max(i for i in range(at) if lines[i].startswith("m="))
    end = next((i for i in range(at, len(lines)) if lines[i].startswith("m=")), len(lines))
    candidates = [line for line in lines[media:end] if line.startswith(("a=candidate:", "a=end-of-candidates"))]
    credentials = [line for line in lines if line.startswith(("a=ice-ufrag:", "a=ice-pwd:"))]
    out = ["a=ice-lite", bundle, lines[media], f"a=mid:{first}", *credentials, *candidates]
    return "".join(f"{line}\r\n" for line in out)
