"""Finding a recording and what the caller may do with it: what every handler below ``/recordings/{id}`` begins with.

Owns the answer to "what may this account do with this recording". Seeing is for who planned the meeting or started the
recording, hosts and cohosts, and, where the meeting says so, whoever was there while it ran; sharing, deleting and
processing for who planned, started or hosts; whoever was removed from the meeting may nothing; administrators may all.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from appliance.api.call import Call
from appliance.api.meeting_access import role_of
from appliance.errors import UserError
from appliance.meeting.permissions import allowed
from appliance.store import meetings, recordings
from appliance.store.database import Conn
from appliance.store.participants import MeetingRole
from appliance.store.recordings import Recording
from appliance.store.users import User

Right = Literal["control", "manage"]
Roles = dict[str, tuple[MeetingRole | None, bool]]
"""Of one account by meeting, and whether it was removed from it."""


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody may do with a recording."""

    see: bool
    """And download."""
    control: bool
    """Stop, pause and go on."""
    manage: bool
    """Share, delete, process again."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A recording and what the caller may do with it."""

    recording: Recording
    rights: Rights


async def find(conn: Conn, recording_id: str, user: User) -> Held:
    """Repository function: the recording; UserError 404, or 403 for who may not even see it."""
    recording = await recordings.by_id(conn, recording_id)
    if recording is None or recording.deleted_at_ms is not None:
        # one that never was and one that was deleted alike
        raise UserError(404, "not_found", "there is no such recording", field="recording_id")
    held = await judge(conn, recording, user, {})
    if not held.rights.see:
        raise UserError(403, "forbidden", "you may not see this recording")
    return held


async def judge(conn: Conn, recording: Recording, user: User, known: Roles, *, listed: bool = False) -> Held:
    """Repository function: the caller's rights. ``known``: roles by meeting, filled, for calls that judge many.
    ``listed``: it comes from the list of what the caller may see."""
    if user.role == "admin":
        return Held(recording=recording, rights=Rights(see=True, control=True, manage=True))
    if recording.meeting_id not in known:
        meeting = await meetings.find_any(conn, recording.meeting_id)
        assert meeting is not None  # rows of meetings stay
        known[recording.meeting_id] = await role_of(conn, meeting, user.id)
    role, kicked = known[recording.meeting_id]
    manage = not kicked and (role == "host" or recording.started_by_id == user.id)
    control = not kicked and allowed(role, "record")
    see = listed or manage or control or await recordings.may_see(conn, recording.id, user.id)
    return Held(recording=recording, rights=Rights(see=see, control=control, manage=manage))


async def find_for(call: Call, recording_id: str, right: Right) -> Held:
    """The recording, if the caller has this right: UserError 404, or 403 ``forbidden``."""
    held = await call.read(find, recording_id, call.user)
    check(held, right)
    return held


def check(held: Held, right: Right) -> None:
    """UserError 403 ``forbidden`` unless the caller has the right."""
    if not (held.rights.control if right == "control" else held.rights.manage):
        who = "hosts and cohosts of the meeting" if right == "control" else "its creator and the meeting's hosts"
        raise UserError(403, "forbidden", f"only {who} may do this with a recording")
