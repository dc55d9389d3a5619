"""One participant's side of a room: numbered frames, the socket they go to, the media session, the seats.

Owned by the meeting's task. Owns what must outlive a lost socket; refuses to know sockets beyond `FrameSink`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from appliance.live.media import MediaSession
from appliance.live.stream import Stream
from appliance.meeting.subscriptions import Placement, Wanted
from appliance.signaling.connection import CloseCode, FrameRate, SendLog
from appliance.signaling.frames import encode
from appliance.signaling.messages import AnyServerMessage, Seats
from appliance.signaling.negotiation import SeatPlan


class FrameSink(Protocol):
    """The writing end of a socket; `sockets.Link`."""

    @property
    def lags(self) -> bool:
        """Frames wait for a client that reads slowly: what can be left out should be."""

    def push(self, frame: str) -> None:
        """Queue a frame; a full queue cuts the socket off."""

    def finish(self, code: CloseCode, reason: str) -> None:
        """Close the socket once everything queued was sent."""


@dataclass(eq=False, slots=True)
class Session:
    """A joined participant, from ``joined`` until it is gone."""

    session_id: str
    resume_token: str
    participant_id: str
    token_id: str
    """``jti`` of the join token: a page that is loaded again comes with the same one."""
    log: SendLog
    media: MediaSession
    plan: SeatPlan
    data_channel: bool
    """The client opens the data channel ``reactions``."""
    reactions: FrameRate
    link: FrameSink | None
    """None while the socket is lost."""
    lost_at: float | None = None
    """When the socket was lost, on the task's clock."""
    wanted: tuple[Wanted, ...] | None = None
    """The client's list; None until it sent one."""
    binding: dict[int, Placement] = field(default_factory=dict)
    sizes: dict[int, tuple[int, int, int, int]] = field(default_factory=dict)
    """By seat: the width, height and frame rate that the media session was told."""
    told_seats: Seats | None = None
    crowded: bool = False
    """Somebody has no seat: a new speaker may change the binding."""
    stream: Stream | None = None
    """Of a participant that came over WHIP or WHEP and has no socket."""

    def send(self, message: AnyServerMessage, body: str | None = None) -> None:
        """Number, keep and queue a message; ``body`` when it is encoded already."""
        frame = self.log.frame(message, encode(message) if body is None else body)
        if self.link is not None:
            self.link.push(frame)
