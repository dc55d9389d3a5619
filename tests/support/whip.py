"""A WHIP or WHEP client as a program of another make would be: HTTP by hand, SDP from elsewhere.

Knows the two protocols (RFC 9725, draft-ietf-wish-whep) and nothing of Parley.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from urllib.parse import urljoin, urlsplit

SDP = "application/sdp"
FRAGMENT = "application/trickle-ice-sdpfrag"


@dataclass(frozen=True)
class HttpAnswer:
    status: int
    headers: http.client.HTTPMessage
    body: str

    @property
    def error(self) -> str:
        """Machine code and field of a refusal."""
        found = re.search(r'"error":"([^"]*)"', self.body)
        return found[1] if found else ""


def call(method: str, url: str, body: str | bytes | None = None, headers: dict[str, str] | None = None) -> HttpAnswer:
    """One request on a connection of its own, of these headers and no others but Host and Content-Length."""
    address = urlsplit(url)
    assert address.hostname is not None
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=10)
    try:
        data = body.encode() if isinstance(body, str) else body
        target = address.path + (f"?{address.query}" if address.query else "")
        connection.request(method, target, data, headers or {})
        answer = connection.getresponse()
        return HttpAnswer(answer.status, answer.headers, answer.read().decode())
    finally:
        connection.close()


@dataclass
class HttpStream:
    """An endpoint's URL and a token; after `open`, the session behind Location."""

    endpoint: str
    token: str
    session: str = ""
    etag: str = ""
    opened: HttpAnswer | None = field(default=None, repr=False)

    def open(self, offer: str) -> str:
        """POST the offer; the answer's SDP. AssertionError unless 201."""
        answer = call("POST", self.endpoint, offer, {**self._bearer, "Content-Type": SDP})
        assert answer.status == 201, (answer.status, answer.body)
        assert answer.headers["Content-Type"] == SDP
        self.opened = answer
        self.session = urljoin(self.endpoint, answer.headers["Location"])
        self.etag = answer.headers["ETag"]
        return answer.body

    def patch(self, fragment: str, *, if_match: str | None = None, media_type: str = FRAGMENT) -> HttpAnswer:
        """Send a fragment, with the ETag of the ICE session unless ``if_match`` says otherwise; "" for none."""
        headers = {**self._bearer, "Content-Type": media_type, "If-Match": self.etag if if_match is None else if_match}
        if if_match == "":
            del headers["If-Match"]
        return call("PATCH", self.session, fragment, headers)

    def close(self) -> HttpAnswer:
        return call("DELETE", self.session, None, self._bearer)

    @property
    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def offer(direction: str, kinds: Sequence[str] = ("audio", "video"), *, ufrag: str = "abcd", more: str = "") -> str:
    """The least that a client offers: Opus and VP8, one m-line for each kind, numbered from 0."""
    mids = " ".join(str(number) for number in range(len(kinds)))
    lines = ["v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=-", "t=0 0", f"a=group:BUNDLE {mids}"]
    for number, kind in enumerate(kinds):
        payload, name = ("111", "opus/48000/2") if kind == "audio" else ("96", "VP8/90000")
        lines += [
            f"m={kind} 9 UDP/TLS/RTP/SAVPF {payload}", "c=IN IP4 0.0.0.0", f"a=mid:{number}",
            f"a=ice-ufrag:{ufrag}", f"a=ice-pwd:{'p' * 24}", f"a=fingerprint:sha-256 {':'.join(['AB'] * 32)}",
            "a=setup:actpass", f"a={direction}", "a=rtcp-mux", f"a=rtpmap:{payload} {name}",
        ]  # fmt: skip
    return "".join(f"{line}\r\n" for line in lines) + more


def fragment(ufrag: str, password: str = "p" * 24) -> str:
    """Credentials and a candidate, as a browser's client sends them."""
    return (
        "a=group:BUNDLE 0 1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\n"
        f"a=ice-ufrag:{ufrag}\r\na=ice-pwd:{password}\r\n"
        "a=candidate:1 1 udp 2122260223 192.0.2.1 61764 typ host\r\na=end-of-candidates\r\n"
    )
