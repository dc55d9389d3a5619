"""May this join token enter that meeting: one read transaction.

Owns the checks that need stored rows; what depends on who is in the room now (full, locked) is the meeting's.
A token is good for hours, so what it says is checked again here: kicked, banned, signed out, ended, no more guests.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.auth.tokens import JoinClaims, TokenSigner
from appliance.errors import UserError
from appliance.meeting.participant import Role
from appliance.store import meetings, participants, sessions, users
from appliance.store.database import Conn
from appliance.store.meetings import Meeting


@dataclass(frozen=True, slots=True)
class Admission:
    """Somebody who may enter, as far as stored rows say."""

    claims: JoinClaims
    meeting: Meeting
    role: Role


async def admit(
    conn: Conn, signer: TokenSigner, room: str, token: str, *, guests_allowed: bool, now_s: int
) -> Admission:
    """Repository function. ``guests_allowed``: of the server, beside the meeting's own switch.

    UserError 404 ``not_found``, 401 ``token_invalid``, ``token_expired`` or ``token_revoked``, 410 ``meeting_ended``,
    403 ``kicked``, ``banned`` or ``guests_not_allowed``.
    """
    meeting = await meetings.find(conn, room if "_" in room else room.lower())
    if meeting is None:
        raise UserError(404, "not_found", "there is no such meeting", field="room")
    claims = signer.read_join(token, now_s=now_s, meeting_id=meeting.id)
    if meeting.status in ("ended", "cancelled"):
        raise UserError(410, "meeting_ended", "this meeting has ended", field="room")
    if claims.guest:
        if not (guests_allowed and meeting.guests_allowed):
            raise UserError(403, "guests_not_allowed", "this meeting is for people with an account")
    else:
        user = await users.by_id(conn, claims.sub)
        if user is None or user.status == "banned":
            raise UserError(403, "banned", "this account may not join meetings", field="token")
        if claims.sid is not None:
            session = await sessions.by_id(conn, claims.sid)
            if session is None or session.revoked_at_ms is not None:
                raise UserError(401, "token_revoked", "the sign-in of this token has ended", field="token")
    member = await participants.member(conn, meeting.id, claims.sub)
    if member is not None and member.kicked_at_ms is not None:
        raise UserError(403, "kicked", "you were removed from this meeting")
    return Admission(claims=claims, meeting=meeting, role=claims.role if member is None else member.role)
