"""What a meeting asks of the SFU: three protocols that appliance.sfu fulfils.

Owns the face only. It keeps the rest of `live` free of the data plane, so that rules of signaling are testable with
a media plane that moves no packets and passes the same contract test.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from appliance.signaling.messages import Offer, Source

if TYPE_CHECKING:
    from appliance.recorder.writer import Tap
    from appliance.sfu.events import RoomEvent
    from appliance.sfu.readings import SessionQuality
    from appliance.sfu.session import PublishedTrack, ReceiveSeat


class MediaSession(Protocol):
    """One client's peer connection; see appliance.sfu.session for each method's contract."""

    @property
    def tracks(self) -> Mapping[Source, PublishedTrack]:
        """What the newest negotiation publishes."""

    @property
    def seats(self) -> Sequence[ReceiveSeat]:
        """Seats of the newest negotiation, by number."""

    @property
    def tells_levels(self) -> bool:
        """Its packets say how loud they are (RFC 6464): it is among `Speakers` while somebody speaks."""

    @property
    def connected(self) -> bool:
        """Whether media can flow."""

    async def negotiate(self, offer: Offer) -> str:
        """SDP answer; UserError leaves the session as it was."""

    def bind(self, seat: int, *, audio: PublishedTrack | None, video: PublishedTrack | None) -> None:
        """Put tracks on a seat."""

    def prefer(self, seat: int, *, width: int, height: int, max_fps: int, priority: int) -> None:
        """Size of a seat's picture in device pixels; on a narrow link the higher ``priority`` (0 to 255) goes first."""

    def mute(self, source: Source, muted: bool) -> None:
        """Stop or resume forwarding of a source."""

    def open_tap(self, source: Source, max_bytes: int, *, max_layer: int = 255) -> Tap:
        """Frames of what is published as ``source``, of a layer up to ``max_layer``; LookupError when nothing is."""

    def send_data(self, label: str, text: str) -> None:
        """Send on a data channel, dropped while it is not open."""

    def quality(self) -> SessionQuality:
        """Of the last 2 s."""

    async def close(self) -> None:
        """End it; idempotent."""


class MediaRoom(Protocol):
    """The media of one meeting."""

    @property
    def events(self) -> AsyncIterable[RoomEvent]:
        """Ends when the room is closed."""

    def open_session(self, participant_id: str) -> MediaSession:
        """A session without transport."""

    async def close(self) -> None:
        """Close every session; idempotent."""


class MediaPlane(Protocol):
    """appliance.sfu.media.Sfu."""

    def open_room(self, key: str) -> MediaRoom:
        """A room of its own."""
