"""Finding a recording and what the caller may do with it: what every handler below ``/recordings/{id}`` begins with.

Owns the answer to "what may this account do with this recording". Seeing is for who planned the meeting or started the
recording, hosts and cohosts, and, where the meeting says so, whoever was there while it ran. Downloading is for all of
these, or not for who was just there, as the meeting says; who may only see still gets the film as a player asks for it,
which is the same bytes: a rule for people who keep rules, and no copy protection. Sharing, deleting and processing are
for who planned, started or hosts; whoever was removed from the meeting may nothing; administrators may all.
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
from appliance.store.meetings import RecordingDownload
from appliance.store.participants import MeetingRole
from appliance.store.recordings import Recording
from appliance.store.users import User

Right = Literal["download", "control", "manage"]
_WHO: dict[Right, str] = {
    "download": "hosts of the meeting may download this recording",
    "control": "hosts and cohosts of the meeting may do this with a recording",
    "manage": "its creator and the meeting's hosts may do this with a recording",
}


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What an account is in a meeting, and who may download what was recorded there."""

    role: MeetingRole | None
    removed: bool
    recording_download: RecordingDownload


Standings = dict[str, Standing]
"""Of one account by meeting."""


class Rights(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody may do with a recording."""

    see: bool
    download: bool
    control: bool
    """Stop, pause and go on."""
    manage: bool
    """Share, delete, process again."""


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A recording and what the caller may do with it."""

    recording: Recording
    rights: Rights
    recording_download: RecordingDownload
    """What the meeting says."""


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


async def judge(
    conn: Conn, recording: Recording, user: User, known: Standings, *, listed: bool = False
) -> Held:
    """Repository function: the caller's rights. ``known``: filled, for calls that judge many. ``listed``: it comes
    from the list of what the caller may see."""
    standing = known.get(recording.meeting_id)
    if standing is None:
        standing = known[recording.meeting_id] = await _standing(conn, recording.meeting_id, user)
    role, removed, rule = standing.role, standing.removed, standing.recording_download
    admin = user.role == "admin"
    manage = admin or (not removed and (role == "host" or recording.started_by_id == user.id))
    control = admin or (not removed and allowed(role, "record"))
    see = listed or manage or control or await recordings.may_see(conn, recording.id, user.id)
    download = manage or control or (see and rule == "everyone")
    rights = Rights(see=see, download=download, control=control, manage=manage)
    return Held(recording=recording, rights=rights, recording_download=rule)


async def _standing(conn: Conn, meeting_id: str, user: User) -> Standing:
    meeting = await meetings.find_any(conn, meeting_id)
    assert meeting is not None  # rows of meetings stay
    role, removed = await role_of(conn, meeting, user.id)
    return Standing(role=role, removed=removed, recording_download=meeting.recording_download)


async def find_for(call: Call, recording_id: str, right: Right) -> Held:
    """The recording, if the caller has this right: UserError 404, or 403 ``forbidden``."""
    held = await call.read(find, recording_id, call.user)
    check(held, right)
    return held


def check(held: Held, right: Right) -> None:
    """UserError 403 ``forbidden`` unless the caller has the right."""
    if not getattr(held.rights, right):
        raise UserError(403, "forbidden", f"only {_WHO[right]}")
