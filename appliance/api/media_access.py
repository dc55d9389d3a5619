"""Who may see a media file, and attach one to a meeting.

Owns the answer: its owner, the members of the meeting that it was attached to, administrators. To everybody else it is
not there at all.
"""

from __future__ import annotations

from appliance.api.call import Call
from appliance.api.meeting_access import find_for, role_of
from appliance.errors import UserError
from appliance.store import media_files, meetings
from appliance.store.database import Conn
from appliance.store.media_files import MediaFile
from appliance.store.users import User


async def find_seen(call: Call, media_id: str) -> MediaFile:
    """The file, if the caller may see it; UserError 404."""
    return await call.read(_seen, media_id, call.user)


async def find_owned(call: Call, media_id: str) -> MediaFile:
    """The file, if the caller may remove it: its owner or an administrator; UserError 404, or 403 who only sees it."""
    file = await find_seen(call, media_id)
    if call.user.role != "admin" and file.user_id != call.user.id:
        raise UserError(403, "forbidden", "only its owner may remove a file")
    return file


async def _seen(conn: Conn, media_id: str, user: User) -> MediaFile:
    file = await media_files.by_id(conn, media_id)
    if file is not None and (user.role == "admin" or file.user_id == user.id or await _is_member(conn, file, user)):
        return file
    raise UserError(404, "not_found", "there is no such file", field="media_id")


async def _is_member(conn: Conn, file: MediaFile, user: User) -> bool:
    meeting = None if file.meeting_id is None else await meetings.find(conn, file.meeting_id)
    if meeting is None:
        return False
    role, kicked = await role_of(conn, meeting, user.id)
    return role is not None and not kicked


async def find_meeting(call: Call, id_or_code: str | None) -> str | None:
    """The id of a meeting that the caller is a member of; None for None. UserError 404, or 403 ``forbidden``."""
    return (await find_for(call, id_or_code, "history")).meeting.id if id_or_code else None
