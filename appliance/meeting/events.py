"""What happened in a meeting, as past-tense frozen structs: the only thing that a transition returns.

Owns the shapes; refuses to know who is told and in which words. ``by`` is the participant id of who did it, None for
the server or a caller who is not in the room.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.meeting.participant import LeaveReason, Participant, Role, Source


@dataclass(frozen=True, slots=True)
class ParticipantJoined:
    """Somebody came."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantLeft:
    """Somebody went; ``participant`` as last seen."""

    participant: Participant
    reason: LeaveReason
    by: str | None = None


@dataclass(frozen=True, slots=True)
class ParticipantDisconnected:
    """The socket was lost and may come back."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class ParticipantReturned:
    """The session was resumed."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class HandRaised:
    """A hand went up."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class HandLowered:
    """A hand went down; ``by`` differs from the participant when a host did it."""

    participant: Participant
    by: str | None


@dataclass(frozen=True, slots=True)
class RoleChanged:
    """A role was given."""

    participant: Participant
    before: Role
    by: str | None


@dataclass(frozen=True, slots=True)
class TracksChanged:
    """The set of published tracks differs."""

    participant: Participant


@dataclass(frozen=True, slots=True)
class TrackMuted:
    """A track was muted, by its owner or a host."""

    participant: Participant
    source: Source
    by: str | None


@dataclass(frozen=True, slots=True)
class TrackUnmuted:
    """A track was unmuted by its owner."""

    participant: Participant
    source: Source


@dataclass(frozen=True, slots=True)
class MeetingChanged:
    """Title or lock differ."""

    title: str
    locked: bool


@dataclass(frozen=True, slots=True)
class SubjectBanned:
    """An account or guest may not come back."""

    subject: str


@dataclass(frozen=True, slots=True)
class MeetingEnded:
    """The meeting is over for everybody."""

    by: str | None


MeetingEvent = (
    ParticipantJoined
    | ParticipantLeft
    | ParticipantDisconnected
    | ParticipantReturned
    | HandRaised
    | HandLowered
    | RoleChanged
    | TracksChanged
    | TrackMuted
    | TrackUnmuted
    | MeetingChanged
    | SubjectBanned
    | MeetingEnded
)
