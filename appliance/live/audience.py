"""Everybody's session in a room, and who is told what of an event.

Owns the translation of meeting events into frames; refuses to change the meeting. A broadcast is encoded once.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

from appliance.live.session import Session
from appliance.live.wire import participant_message, track_messages
from appliance.meeting.events import (
    HandLowered,
    HandRaised,
    MeetingChanged,
    MeetingEvent,
    ParticipantDisconnected,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantReturned,
    RoleChanged,
    TrackMuted,
    TracksChanged,
    TrackUnmuted,
)
from appliance.meeting.participant import Participant
from appliance.signaling.frames import encode
from appliance.signaling.messages import (
    AnyServerMessage,
    Moderation,
    ParticipantChanged,
    ReactionShown,
    RoomChanged,
    Tracks,
    UserJoined,
    UserLeft,
)

REACTIONS = "reactions"
"""Label of the data channel."""


class Audience:
    """The sessions of one room by participant id, in the order of joining."""

    def __init__(self) -> None:
        self.sessions: dict[str, Session] = {}

    def tell(self, participant_id: str, message: AnyServerMessage) -> None:
        """Send to one, if it is there."""
        session = self.sessions.get(participant_id)
        if session is not None:
            session.send(message)

    def tell_all(self, message: AnyServerMessage, *, but: str | None = None) -> None:
        """Send to everybody, or everybody else."""
        body = encode(message)
        for session in list(self.sessions.values()):
            if session.participant_id != but:
                session.send(message, body)

    def tell_ready(self, message: AnyServerMessage) -> int:
        """Send what the next one replaces to everybody whose socket keeps up; how many were left out."""
        body = encode(message)
        lagging = 0
        for session in self.sessions.values():
            if session.link is not None and session.link.lags:
                lagging += 1
            else:
                session.send(message, body)
        return lagging

    def announce(self, events: Iterable[MeetingEvent]) -> None:
        """Tell everybody concerned what happened."""
        for event in events:
            self._announce(event)

    def show_reaction(self, participant_id: str, reaction: str) -> None:
        """Show a reaction to everybody else, by one way each.

        Whoever has a media connection and opened the data channel gets it there as JSON {"participant_id",
        "reaction"}, all others on the socket: so nobody sees it twice. The one who reacts shows it by itself.
        """
        message = ReactionShown(participant_id=participant_id, reaction=reaction)
        body = encode(message)
        text = json.dumps({"participant_id": participant_id, "reaction": reaction})
        for session in self.sessions.values():
            if session.participant_id == participant_id:
                continue
            if session.data_channel and session.media.connected:
                session.media.send_data(REACTIONS, text)
            else:
                session.send(message, body)

    def _announce(self, event: MeetingEvent) -> None:
        match event:
            case ParticipantJoined(participant=p):
                self.tell_all(UserJoined(participant=participant_message(p)), but=p.participant_id)
            case ParticipantLeft(participant=p, reason=reason):
                self.tell_all(UserLeft(participant_id=p.participant_id, reason=reason), but=p.participant_id)
            case ParticipantDisconnected(participant=p) | ParticipantReturned(participant=p):
                self._tell_changed(p)
            case HandRaised(participant=p):
                self._tell_changed(p)
            case HandLowered(participant=p, by=by):
                self._tell_changed(p)
                if by != p.participant_id:
                    self.tell(p.participant_id, Moderation(action="hand_lowered", by_participant_id=by))
            case RoleChanged(participant=p, by=by):
                self._tell_changed(p)
                self.tell(
                    p.participant_id, Moderation(action="role_changed", by_participant_id=by, role=p.role)
                )
            case TrackMuted(participant=p, source=source, by=by):
                self._tell_tracks(p)
                if by != p.participant_id:
                    self.tell(p.participant_id, Moderation(action="muted", by_participant_id=by, source=source))
            case TracksChanged(participant=p) | TrackUnmuted(participant=p):
                self._tell_tracks(p)
            case MeetingChanged(title=title, locked=locked):
                self.tell_all(RoomChanged(title=title, locked=locked))
            case _:  # SubjectBanned, MeetingEnded: what follows from them is told by ParticipantLeft and room-closed
                pass

    def _tell_changed(self, participant: Participant) -> None:
        self.tell_all(ParticipantChanged(participant=participant_message(participant)))

    def _tell_tracks(self, participant: Participant) -> None:
        self.tell_all(Tracks(participant_id=participant.participant_id, tracks=track_messages(participant)))
