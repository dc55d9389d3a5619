"""What the HTTP API asks of a running meeting, done to it.

The API has authorised its caller by the same table (`meeting.permissions`) and stored what must outlive the meeting;
the transitions here act with a host's rights. ``by`` names the caller's own participant where there is one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from appliance.live.commands import Changed, End, GiveRole, MuteFromOutside, Remove
from appliance.meeting.meeting import Actor

if TYPE_CHECKING:
    from appliance.live.room import Room


def end(room: Room, command: End) -> int:
    """End for everybody; how many were in."""
    present = len(room.meeting.participants)
    room.apply(room.meeting.end(_actor(room, command.by_user_id)))
    if not command.stored:
        room.store_end("ended")
    return present


def remove(room: Room, command: Remove) -> int:
    """Take out the connections of a participant, user or guest id; how many there were."""
    found = room.meeting.answering_to(command.uid)
    if command.how == "kicked":
        by = _actor(room, command.by_user_id).participant_id
        subjects = {p.subject for p in found} or {command.uid}
        count = sum(p.subject in subjects for p in room.meeting.participants.values())
        for subject in subjects:
            room.apply(room.meeting.ban(subject, by=by))
        return count
    for participant in found:
        room.dismiss(participant.participant_id, revoked=command.how == "revoked")
    return len(found)


def mute(room: Room, command: MuteFromOutside) -> int:
    """Mute tracks; how many were not muted before."""
    actor = _actor(room, command.by_user_id)
    count = 0
    for participant in room.meeting.answering_to(command.uid):
        for track in participant.tracks:
            if command.source in (None, track.source):
                events = room.meeting.mute_participant(actor, participant.participant_id, track.source)
                room.apply(events)
                count += len(events)
    return count


def give_role(room: Room, command: GiveRole) -> int:
    """Change a role; how many connections have it now that had not."""
    actor = _actor(room, command.by_user_id)
    found = room.meeting.answering_to(command.uid)
    if not found:
        room.meeting.remember_role(command.uid, command.role)
        return 0
    # The API has stored it: the room follows the rows, even where its last host steps down.
    events = room.meeting.set_role(actor, found[0].participant_id, command.role, even_last_host=True)
    room.apply(events)
    return len(events)


def change(room: Room, command: Changed) -> None:
    """Title and lock as stored."""
    room.apply(room.meeting.change(title=command.title, locked=command.locked))


def _actor(room: Room, user_id: str | None) -> Actor:
    present = [] if user_id is None else room.meeting.answering_to(user_id)
    return Actor("host", present[0].participant_id if present else None)
