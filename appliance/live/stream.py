"""What the HTTP API and a meeting say to each other about WHIP publishers and WHEP viewers, and what both keep.

Owns the shapes and the rule of preconditions; `streams` does things with them.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field

from appliance.errors import UserError
from appliance.meeting.participant import VideoSource
from appliance.signaling.messages import IceServer, Offer


@dataclass(frozen=True, slots=True)
class Watch:
    """What a viewer looks at."""

    participant: str | None = None
    """Participant, user or guest id; None follows the screen share and the dominant speaker."""
    source: VideoSource | None = None
    """None: the participant's screen while there is one, else the camera."""


@dataclass(frozen=True, slots=True)
class StreamRequest:
    """A client that wants in, over HTTP alone."""

    room: str
    """Meeting id or code."""
    token: str = field(repr=False)
    """Join token of the meeting."""
    bearer: str = field(repr=False)
    """What the client has presented, and presents with every later request: the join token, or an access token."""
    sdp: str = field(repr=False)
    picture: VideoSource
    """What a publisher's video line is."""
    watch: Watch | None
    """None for a publisher."""


@dataclass(frozen=True, slots=True)
class OpenedStream:
    """Somebody is in."""

    meeting_id: str
    session_id: str
    answer: str
    etag: str
    """Names the ICE session (RFC 9725 §4.3.1)."""
    ice_servers: Sequence[IceServer]


@dataclass(frozen=True, slots=True)
class StreamKey:
    """Which stream a later request is about, and the right to make it."""

    room: str
    session_id: str
    bearer: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Precondition:
    """If-Match (RFC 9110 §13.1.1)."""

    tags: Sequence[str]
    """Strong entity tags without their quotes."""
    anything: bool = False
    """``*``: whatever the ICE session is."""

    def check(self, etag: str) -> None:
        """UserError 412 unless it holds."""
        if not self.anything and etag not in self.tags:
            raise UserError(412, "precondition_failed", "the ICE session is another one", field="If-Match")


@dataclass(frozen=True, slots=True)
class ChangedStream:
    """Our side of a new ICE session."""

    fragment: str
    etag: str


@dataclass(slots=True)
class Stream:
    """What a participant without a socket has instead of one."""

    bearer_digest: bytes
    offer: Offer
    """Of the newest ICE session."""
    etag: str
    watch: Watch | None
    connect_by: float | None
    """When it is given up unless media has begun to flow, on the task's clock; None since it has."""

    def check(self, bearer: str) -> None:
        """UserError 401 unless this is what the stream was opened with. A token that expired since will do: whoever
        could open the stream may close it."""
        if not hmac.compare_digest(self.bearer_digest, digest(bearer)):
            raise UserError(401, "token_invalid", "this stream was opened with another token")


def digest(bearer: str) -> bytes:
    """What is kept of a bearer token."""
    return hashlib.sha256(bearer.encode()).digest()
