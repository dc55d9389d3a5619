"""What a room tells its owner. Frozen; past tense; in the order in which it happened."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from appliance.webrtc.offer import Source

if TYPE_CHECKING:
    from appliance.sfu.session import Session


@dataclass(frozen=True, slots=True)
class _OfSession:
    session: Session

    @property
    def participant_id(self) -> str:
        return self.session.participant_id


@dataclass(frozen=True, slots=True)
class SessionConnected(_OfSession):
    """ICE and DTLS are up, or up again after SessionLost."""


@dataclass(frozen=True, slots=True)
class SessionLost(_OfSession):
    """No path for 30 s, or the client closed its end, or DTLS failed. The session stays and may be renegotiated."""

    reason: str


@dataclass(frozen=True, slots=True)
class TrackStarted(_OfSession):
    """First packet of a published track, or the first after it had stalled."""

    source: Source


@dataclass(frozen=True, slots=True)
class TrackStalled(_OfSession):
    """An unmuted track sent nothing for 2 s."""

    source: Source


@dataclass(frozen=True, slots=True)
class LayersWanted(_OfSession):
    """Which layers of a picture the client is to send from now on; a track begins with all of them."""

    source: Source
    layers: tuple[tuple[str | None, bool], ...]
    """(rid, wanted), lowest first; a picture in one layer has no rid."""


@dataclass(frozen=True, slots=True)
class Speakers:
    """Who is heard now, loudest first: (participant id, 0..1)."""

    levels: tuple[tuple[str, float], ...]
    dominant: str | None


@dataclass(frozen=True, slots=True)
class DataMessage(_OfSession):
    """A client sent on a data channel; at most 16 kB."""

    label: str
    data: str | bytes


RoomEvent = SessionConnected | SessionLost | TrackStarted | TrackStalled | LayersWanted | Speakers | DataMessage
