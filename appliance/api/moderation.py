"""What hosts and cohosts do to participants from outside the room: kick, mute, change the role.

Owns finding whom a ``uid`` means and remembering kicks and roles for the next joins; the room itself is `live`.
"""

from __future__ import annotations

import msgspec

from appliance.api.bodies import Empty, MuteBody, ParticipantRoleBody
from appliance.api.call import Call
from appliance.api.meeting_access import Found, acting_role, find, role_of
from appliance.api.shapes import Changed
from appliance.errors import UserError
from appliance.meeting import permissions
from appliance.store import audit, participants, users
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.participants import MeetingRole


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Whom a ``uid`` means."""

    subject: str | None
    """User or guest id; None when the account is gone."""
    role: MeetingRole


async def kick(call: Call, meeting_id: str, uid: str, body: Empty) -> Changed:
    """Remove a participant (by participant id) or all connections of an account; they may not come back."""
    found, target = await _authorised(call, meeting_id, uid, "kick")
    if target.subject is not None and target.subject == found.meeting.creator_id:
        raise UserError(403, "forbidden", "the meeting's creator cannot be removed from it")
    entry = call.audit_entry("meeting.kick", target=uid, detail=found.meeting.id)
    await call.run(_store_kick, found.meeting.id, target.subject, entry, call.now_ms)
    changed = await call.services.live.kick(found.meeting.id, uid, by_user_id=call.user.id)
    return Changed(changed=changed)


async def _store_kick(conn: Conn, meeting_id: str, subject: str | None, entry: AuditEntry, now_ms: int) -> None:
    if subject is not None:
        await participants.set_kicked(conn, meeting_id, subject, now_ms)
    await audit.insert(conn, entry)


async def mute(call: Call, meeting_id: str, uid: str, body: MuteBody) -> Changed:
    """Mute a participant's source, or everything; they may unmute themselves."""
    found, _ = await _authorised(call, meeting_id, uid, "mute_participant")
    changed = await call.services.live.mute(found.meeting.id, uid, body.source, by_user_id=call.user.id)
    return Changed(changed=changed)


async def set_role(call: Call, meeting_id: str, uid: str, body: ParticipantRoleBody) -> Changed:
    """Make a participant host, cohost or ordinary, now and for later joins (host)."""
    found, target = await _authorised(call, meeting_id, uid, "set_role")
    if target.subject is not None and target.subject == found.meeting.creator_id and body.role != "host":
        raise UserError(403, "forbidden", "the meeting's creator stays its host")
    entry = call.audit_entry("meeting.role", target=uid, detail=f"{found.meeting.id} {body.role}")
    await call.run(_store_role, found.meeting.id, target.subject, body.role, entry)
    changed = await call.services.live.set_role(found.meeting.id, uid, body.role, by_user_id=call.user.id)
    return Changed(changed=changed)


async def _store_role(
    conn: Conn, meeting_id: str, subject: str | None, role: MeetingRole, entry: AuditEntry
) -> None:
    if subject is not None:
        await participants.set_member_role(conn, meeting_id, subject, role)
    await audit.insert(conn, entry)


async def _authorised(
    call: Call, meeting_id: str, uid: str, action: permissions.Action
) -> tuple[Found, Target]:
    found, target = await call.read(_find_target, meeting_id, call.user.id, uid)
    role = acting_role(call, found)
    permissions.check(role, action)  # before telling whether the target exists
    if target is None:
        raise UserError(404, "not_found", "there is no such participant in this meeting", field="uid")
    permissions.check(role, action, target.role)
    return found, target


async def _find_target(conn: Conn, meeting_id: str, user_id: str, uid: str) -> tuple[Found, Target | None]:
    found = await find(conn, meeting_id, user_id)
    record = await participants.by_id(conn, found.meeting.id, uid)
    if record is not None:
        subject = record.user_id or record.guest_id
        role, _ = await role_of(conn, found.meeting, subject)
        return found, Target(subject=subject, role=role or record.role)
    if await users.by_id(conn, uid) is None:
        return found, None
    role, _ = await role_of(conn, found.meeting, uid)
    return found, None if role is None else Target(subject=uid, role=role)
