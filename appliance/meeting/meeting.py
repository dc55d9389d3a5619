"""The state of one running meeting and every transition of it.

Owns who is in, their roles, hands, tracks and mutes, the lock and who was banned; each transition checks
`permissions`, changes the state once and returns the events that happened. Refuses to know sockets, storage, media
and time: ``now_ms`` is an argument. One task owns a Meeting; nobody else calls it while that task is in a transition.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

from appliance.errors import UserError
from appliance.meeting import permissions
from appliance.meeting.events import (
    HandLowered,
    HandRaised,
    MeetingChanged,
    MeetingEnded,
    MeetingEvent,
    ParticipantDisconnected,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantReturned,
    RoleChanged,
    SubjectBanned,
    TrackMuted,
    TracksChanged,
    TrackUnmuted,
)
from appliance.meeting.participant import LeaveReason, Participant, Role, Source, Track


@dataclass(frozen=True, slots=True)
class Actor:
    """Who does something: a participant, or a caller from outside with the role that the caller was found to have."""

    role: Role
    participant_id: str | None = None


SERVER = Actor("host")
"""The server itself, and callers whom the HTTP API has authorised."""


class Meeting:
    """One running meeting."""

    def __init__(self, *, meeting_id: str, code: str, title: str, locked: bool, started_at_ms: int) -> None:
        self.meeting_id = meeting_id
        self.code = code
        self.started_at_ms = started_at_ms
        self.title = title
        self.locked = locked
        self.ended = False
        self._participants: dict[str, Participant] = {}  # in the order of joining
        self._roles: dict[str, Role] = {}  # by subject: given while the meeting runs
        self._banned: set[str] = set()
        self._seen: set[str] = set()  # subjects that were in

    # --- looking -----------------------------------------------------------------------------------------------

    @property
    def participants(self) -> Mapping[str, Participant]:
        """By participant id, in the order of joining."""
        return MappingProxyType(self._participants)

    def get(self, participant_id: str, *, field: str = "participant_id") -> Participant:
        """The participant; UserError 404 names ``field``."""
        found = self._participants.get(participant_id)
        if found is None:
            raise UserError(404, "not_found", "nobody in this meeting has this id", field=field)
        return found

    def answering_to(self, uid: str) -> list[Participant]:
        """The connections that a participant id, user id or guest id means."""
        return [p for p in self._participants.values() if p.answers_to(uid)]

    def actor(self, participant_id: str) -> Actor:
        """The participant as one who acts."""
        return Actor(self.get(participant_id).role, participant_id)

    # --- coming and going --------------------------------------------------------------------------------------

    def join(self, participant: Participant, *, max_participants: int) -> list[MeetingEvent]:
        """Let somebody in.

        UserError ``meeting_ended``, ``kicked``, ``meeting_locked`` or ``meeting_full``. A lock does not keep out
        hosts, nor somebody who was in before and lost the connection.
        """
        if self.ended:
            raise UserError(410, "meeting_ended", "this meeting has ended")
        if participant.subject in self._banned:
            raise UserError(403, "kicked", "you were removed from this meeting")
        role = self._roles.get(participant.subject, participant.role)
        if self.locked and role == "participant" and participant.subject not in self._seen:
            raise UserError(403, "meeting_locked", "the meeting is locked")
        if len(self._participants) >= max_participants:
            raise UserError(409, "meeting_full", f"the meeting has its {max_participants} participants")
        participant = replace(participant, role=role)
        self._participants[participant.participant_id] = participant
        self._seen.add(participant.subject)
        return [ParticipantJoined(participant)]

    def leave(self, participant_id: str, reason: LeaveReason) -> list[MeetingEvent]:
        """Somebody went; no event when they had gone already."""
        gone = self._participants.pop(participant_id, None)
        return [] if gone is None else [ParticipantLeft(gone, reason)]

    def disconnect(self, participant_id: str) -> list[MeetingEvent]:
        """The socket was lost."""
        was = self._participants.get(participant_id)
        if was is None or was.reconnecting:
            return []
        return [ParticipantDisconnected(self._put(replace(was, reconnecting=True)))]

    def resume(self, participant_id: str) -> list[MeetingEvent]:
        """The session is back."""
        was = self.get(participant_id)
        if not was.reconnecting:
            return []
        return [ParticipantReturned(self._put(replace(was, reconnecting=False)))]

    # --- one's own doings --------------------------------------------------------------------------------------

    def raise_hand(self, participant_id: str, raised: bool, *, now_ms: int) -> list[MeetingEvent]:
        """Raise or lower one's own hand; no event when it was so already."""
        was = self.get(participant_id)
        permissions.check(was.role, "raise_hand")
        if raised == (was.hand_raised_at_ms is not None):
            return []
        now = self._put(replace(was, hand_raised_at_ms=now_ms if raised else None))
        return [HandRaised(now)] if raised else [HandLowered(now, participant_id)]

    def publish(self, participant_id: str, tracks: Sequence[Track]) -> list[MeetingEvent]:
        """The tracks after a negotiation. A source that stays keeps its mute."""
        was = self.get(participant_id)
        permissions.check(was.role, "publish")
        kept = []
        for track in tracks:
            before = was.track(track.source)
            kept.append(track if before is None else replace(track, muted=before.muted))
        if tuple(kept) == was.tracks:
            return []
        return [TracksChanged(self._put(replace(was, tracks=tuple(kept))))]

    def mute(self, participant_id: str, source: Source, muted: bool) -> list[MeetingEvent]:
        """Mute or unmute one's own track; no event when it was so already."""
        was = self.get(participant_id)
        permissions.check(was.role, "mute_self")
        return self._mute(was, source, muted, by=participant_id)

    # --- moderation --------------------------------------------------------------------------------------------

    def mute_participant(self, actor: Actor, participant_id: str, source: Source) -> list[MeetingEvent]:
        """Mute somebody's track; they may unmute it themselves."""
        was = self.get(participant_id)
        permissions.check(actor.role, "mute_participant", was.role)
        return self._mute(was, source, True, by=actor.participant_id)

    def lower_hand(self, actor: Actor, participant_id: str) -> list[MeetingEvent]:
        """Lower somebody's hand."""
        was = self.get(participant_id)
        permissions.check(actor.role, "lower_hand", was.role)
        if was.hand_raised_at_ms is None:
            return []
        return [HandLowered(self._put(replace(was, hand_raised_at_ms=None)), actor.participant_id)]

    def set_role(
        self, actor: Actor, participant_id: str, role: Role, *, even_last_host: bool = False
    ) -> list[MeetingEvent]:
        """Give somebody, in all their tabs, a role.

        UserError 409 ``last_host`` when the room would have no host left, unless ``even_last_host``.
        """
        was = self.get(participant_id)
        permissions.check(actor.role, "set_role", was.role)
        mine = [p for p in self._participants.values() if p.subject == was.subject]
        others = [p for p in self._participants.values() if p.subject != was.subject]
        steps_down = was.role == "host" and role != "host"
        if steps_down and not even_last_host and not any(p.role == "host" for p in others):
            raise UserError(409, "last_host", "the meeting would have no host; make somebody host first", field="role")
        self._roles[was.subject] = role
        return [
            RoleChanged(self._put(replace(p, role=role)), p.role, actor.participant_id) for p in mine if p.role != role
        ]

    def remember_role(self, subject: str, role: Role) -> None:
        """The role of an account or guest that is not here now, for when it comes."""
        self._roles[subject] = role

    def kick(self, actor: Actor, participant_id: str) -> list[MeetingEvent]:
        """Remove a person in all their tabs, and keep them out. Nobody removes themselves: that is leaving."""
        was = self.get(participant_id)
        permissions.check(actor.role, "kick", was.role)
        if actor.participant_id is not None:
            acting = self._participants.get(actor.participant_id)
            if acting is not None and acting.subject == was.subject:
                raise UserError(409, "own_self", "one cannot remove oneself; leave instead", field="participant_id")
        return self.ban(was.subject, by=actor.participant_id)

    def ban(self, subject: str, *, by: str | None = None) -> list[MeetingEvent]:
        """Keep an account or guest out, and remove what it has in the room."""
        self._banned.add(subject)
        self._roles.pop(subject, None)
        mine = [p for p in self._participants.values() if p.subject == subject]
        events: list[MeetingEvent] = [SubjectBanned(subject)]
        for participant in mine:
            del self._participants[participant.participant_id]
            events.append(ParticipantLeft(participant, "kicked", by))
        return events

    def lock(self, actor: Actor, locked: bool) -> list[MeetingEvent]:
        """Lock or unlock."""
        permissions.check(actor.role, "lock")
        return self.change(title=self.title, locked=locked)

    def change(self, *, title: str, locked: bool) -> list[MeetingEvent]:
        """Title and lock as stored; no event when they are so already."""
        if (title, locked) == (self.title, self.locked):
            return []
        self.title, self.locked = title, locked
        return [MeetingChanged(title, locked)]

    def end(self, actor: Actor) -> list[MeetingEvent]:
        """End the meeting for everybody; once."""
        permissions.check(actor.role, "end")
        if self.ended:
            return []
        self.ended = True
        events: list[MeetingEvent] = [ParticipantLeft(p, "ended") for p in self._participants.values()]
        self._participants.clear()
        return [*events, MeetingEnded(actor.participant_id)]

    # --- inside ------------------------------------------------------------------------------------------------

    def _put(self, participant: Participant) -> Participant:
        self._participants[participant.participant_id] = participant
        return participant

    def _mute(self, was: Participant, source: Source, muted: bool, *, by: str | None) -> list[MeetingEvent]:
        track = was.track(source)
        if track is None:
            raise UserError(409, "not_published", f"there is no {source} track", field="source")
        if track.muted == muted:
            return []
        now = self._put(was.with_muted(source, muted))
        return [TrackMuted(now, source, by)] if muted else [TrackUnmuted(now, source)]
