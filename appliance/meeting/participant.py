"""One connection in a meeting and the tracks that it publishes.

Owns their shape; refuses to know how the connection is made and what the wire calls these fields.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Role = Literal["host", "cohost", "participant"]
Source = Literal["microphone", "camera", "screen", "screen_audio"]
VideoSource = Literal["camera", "screen"]
Kind = Literal["audio", "video"]
LeaveReason = Literal["left", "lost", "kicked", "ended"]

KIND_OF: dict[Source, Kind] = {
    "microphone": "audio",
    "camera": "video",
    "screen": "video",
    "screen_audio": "audio",
}

SOUND_OF: dict[VideoSource, Source] = {"camera": "microphone", "screen": "screen_audio"}
"""The sound that belongs to a picture and sits on the same seat."""


@dataclass(frozen=True, slots=True)
class Track:
    """One published track."""

    track_id: str
    source: Source
    muted: bool = False

    @property
    def kind(self) -> Kind:
        """Audio or video; follows from the source."""
        return KIND_OF[self.source]


@dataclass(frozen=True, slots=True)
class Participant:
    """One connection; two tabs of one person are two participants with one subject. Times in ms since the epoch."""

    participant_id: str
    subject: str
    """User id, or guest id of a guest: who is meant when somebody is banned or given a role."""
    user_id: str | None
    """None for a guest."""
    name: str
    avatar_url: str | None
    role: Role
    joined_at_ms: int
    hand_raised_at_ms: int | None = None
    reconnecting: bool = False
    tracks: tuple[Track, ...] = ()

    def track(self, source: Source) -> Track | None:
        """The track of this source, if published."""
        for track in self.tracks:
            if track.source == source:
                return track
        return None

    def with_muted(self, source: Source, muted: bool) -> Participant:
        """The same participant with one track muted or unmuted."""
        return replace(
            self,
            tracks=tuple(replace(t, muted=muted) if t.source == source else t for t in self.tracks),
        )

    def answers_to(self, uid: str) -> bool:
        """Whether a participant id, user id or guest id means this connection."""
        return uid in (self.participant_id, self.subject)
