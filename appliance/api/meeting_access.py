"""Finding a meeting and what the caller is in it: what every handler below ``/meetings/{id}`` begins with.

Owns the answer to "which role has this account here"; what a role allows is `meeting.permissions`.
"""

from __future__ import annotations

import re
from typing import Literal

import msgspec

from appliance.api.call import Call
from appliance.api.shapes import MeetingView, meeting_view
from appliance.api.times import to_text
from appliance.errors import UserError
from appliance.meeting import permissions
from appliance.store import invitations, meetings, participants, transcripts, users
from appliance.store.database import Conn
from appliance.store.meetings import Meeting
from appliance.store.participants import MeetingRole
from appliance.store.users import User


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A meeting, its creator, and what the caller is in it."""

    meeting: Meeting
    creator: User | None
    my_role: MeetingRole | None
    """None: never joined, not invited."""
    kicked: bool
    has_transcript: bool
    """Something of what was said is kept."""


TranscriptScope = Literal["all", "present"]
"""``present``: what was said while somebody was there."""


async def find(conn: Conn, id_or_code: str, subject: str | None) -> Found:
    """Repository function: the meeting, for an account or guest id; UserError 404."""
    meeting = await meetings.find(conn, id_or_code.lower() if "_" not in id_or_code else id_or_code)
    if meeting is None:
        raise UserError(404, "not_found", "there is no such meeting", field="meeting_id")
    creator = None if meeting.creator_id is None else await users.by_id(conn, meeting.creator_id)
    role, kicked = await role_of(conn, meeting, subject)
    has_transcript = await transcripts.exists(conn, meeting.id)
    return Found(meeting=meeting, creator=creator, my_role=role, kicked=kicked, has_transcript=has_transcript)


async def role_of(conn: Conn, meeting: Meeting, subject: str | None) -> tuple[MeetingRole | None, bool]:
    """Repository function: the role of an account or guest in the meeting, and whether it was kicked."""
    if subject is None:
        return None, False
    if subject == meeting.creator_id:
        return "host", False
    member = await participants.member(conn, meeting.id, subject)
    if member is not None:
        return member.role, member.kicked_at_ms is not None
    known = await participants.has_joined(conn, meeting.id, subject) or await invitations.is_invited(
        conn, meeting.id, subject
    )
    return ("participant" if known else None), False


async def find_for(call: Call, meeting_id: str, action: permissions.Action) -> Found:
    """The meeting, if the caller may do this in it: UserError 404, or 403 ``forbidden``."""
    found = await call.read(find, meeting_id, call.user.id)
    permissions.check(acting_role(call, found), action)
    return found


def acting_role(call: Call, found: Found) -> MeetingRole | None:
    """The role that counts for permissions: a server's administrator acts as host, who was kicked not at all."""
    if call.caller is not None and call.caller.user.role == "admin":
        return "host"
    return None if found.kicked else found.my_role


def transcript_scope(found: Found, user: User) -> TranscriptScope | None:
    """How much of the meeting's transcript an account may see: the meeting's rule for recordings, see `transcripts`."""
    if user.role == "admin":
        return "all"
    if found.kicked or found.my_role is None:
        return None
    if permissions.allowed(found.my_role, "record"):
        return "all"
    return "present" if found.meeting.recording_access == "participants" else None


def view(call: Call, found: Found) -> MeetingView:
    """The meeting as the caller sees it."""
    return meeting_view(
        found.meeting,
        creator=found.creator,
        my_role=found.my_role,
        participant_count=call.services.live.participant_count(found.meeting.id),
        recording=is_recorded(call, found),
        captions=call.services.live.has_captions(found.meeting.id),
        has_transcript=found.has_transcript and transcript_scope(found, call.user) is not None,
        base_url=call.base_url,
    )


def file_name(meeting: Meeting) -> str:
    """What a file of the meeting is called, without its ending: title and day."""
    title = re.sub(r'[\\/:*?"<>|]+', "-", meeting.title)
    return f"{title} {to_text(meeting.started_at_ms or meeting.created_at_ms)[:10]}"


def is_recorded(call: Call, found: Found) -> bool:
    """Whether the meeting is being recorded now."""
    return call.services.recorder.is_recording(found.meeting.id)
