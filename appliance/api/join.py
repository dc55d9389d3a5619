"""Into a meeting and out of it: join (with passcode and guests), leave, end for everybody.

Owns who may enter and with which role; the connection itself is made by the join token over the signaling socket.
"""

from __future__ import annotations

import re

from appliance.api import texts
from appliance.api.bodies import Empty, JoinBody
from appliance.api.call import Call, Cookie, Reply
from appliance.api.limits import PASSCODE_LIMIT
from appliance.api.meeting_access import Found, find, find_for, view
from appliance.api.shapes import Changed, JoinView, MeetingView, avatar_url
from appliance.errors import UserError
from appliance.events.catalogue import MeetingEnded, MeetingStarted
from appliance.events.envelope import Envelope
from appliance.ids import new_id
from appliance.store import audit, meetings, outbox
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.meetings import Meeting
from appliance.store.participants import MeetingRole

SIGNALING_PATH = "/api/v1/ws/signaling"

# Recognises a guest who comes back, so that a role stays and a kick holds. As secret as a session: nobody is told
# another guest's id.
GUEST_COOKIE = "parley_guest"
_GUEST_ID = re.compile(r"gst_[a-z2-7]{20}")
# A guest is forgotten after as long as a refresh token lives: a week.
GUEST_COOKIE_S = 604_800


def guest_id(call: Call) -> str | None:
    """The guest whom this browser was before, or None."""
    text = call.cookies.get(GUEST_COOKIE, "")
    return text if _GUEST_ID.fullmatch(text) else None


async def join(call: Call, meeting_id: str, body: JoinBody) -> Reply:
    """Ask to enter: answers with the token for the signaling socket. Guests need no account, where allowed."""
    guest = call.caller is None
    subject = call.user.id if not guest else guest_id(call) or new_id("gst")
    found = await call.read(find, meeting_id, subject)
    meeting = found.meeting
    if meeting.status in ("ended", "cancelled"):
        raise UserError(410, "meeting_ended", "the meeting is over")
    if guest and not (meeting.guests_allowed and call.services.settings.meetings.guests_allowed):
        raise UserError(403, "guests_not_allowed", "this meeting is for people with an account: sign in")
    if found.kicked:
        raise UserError(403, "kicked", "you were removed from this meeting")
    name = _name(call, body)
    role: MeetingRole = found.my_role or "participant"
    if role == "participant":
        # Hosts and cohosts go in and out of their own meeting, locked or full; they know its passcode.
        if meeting.locked:
            raise UserError(403, "meeting_locked", "the meeting is locked")
        await _check_passcode(call, found, body.passcode)
        if call.services.live.participant_count(meeting.id) >= meeting.max_participants:
            raise UserError(409, "meeting_full", f"the meeting has its {meeting.max_participants} participants")
    event = call.event(MeetingStarted(meeting_id=meeting.id, title=meeting.title, creator_id=meeting.creator_id))
    started = await call.run(_activate, meeting.id, subject, event, call.now_ms)
    ttl_s = call.services.settings.auth.join_ttl_s
    token = call.services.tokens.join(
        meeting_id=meeting.id,
        subject=subject,
        session_id=None if call.caller is None else call.caller.session.id,
        guest=guest,
        name=name,
        role=role,
        avatar_url=None if guest else avatar_url(call.user),
        vision_consent=body.vision_consent,
        token_id=new_id("jnt"),
        now_s=call.services.now_s(),
        ttl_s=ttl_s,
    )
    data = JoinView(
        meeting=view(call, started),
        token=token,
        token_expires_in_s=ttl_s,
        name=name,
        role=role,
        signaling_path=SIGNALING_PATH,
        guest=guest,
    )
    cookie = Cookie(name=GUEST_COOKIE, value=subject, max_age_s=GUEST_COOKIE_S)
    return Reply(data=data, cookies=(cookie,) if guest else ())


def _name(call: Call, body: JoinBody) -> str:
    if body.name is not None and body.name.strip():
        return texts.name(body.name, "name")
    if call.caller is None:
        raise UserError(400, "name_required", "say which name the others shall see", field="name")
    return call.user.nickname


async def _check_passcode(call: Call, found: Found, passcode: str | None) -> None:
    encoded = found.meeting.passcode_hash
    if encoded is None:
        return
    if not passcode:
        raise UserError(403, "passcode_required", "the meeting has a passcode", field="passcode")
    call.limit(f"passcode {found.meeting.id}", PASSCODE_LIMIT)
    if not await call.services.passwords.verify(encoded, passcode):
        raise UserError(403, "passcode_wrong", "this is not the meeting's passcode", field="passcode")


async def _activate(conn: Conn, meeting_id: str, subject: str, event: Envelope, now_ms: int) -> Found:
    if await meetings.activate(conn, meeting_id, now_ms):
        await outbox.add(conn, event)
    return await find(conn, meeting_id, subject)


async def leave(call: Call, meeting_id: str, body: Empty) -> Changed:
    """End my connections in the room: all tabs of this account, or of this guest."""
    subject = guest_id(call) if call.caller is None else call.user.id
    if subject is None:
        raise UserError(401, "sign_in_required", "neither signed in nor a guest of this meeting")
    found = await call.read(find, meeting_id, subject)
    return Changed(changed=await call.services.live.leave(found.meeting.id, subject))


async def end(call: Call, meeting_id: str, body: Empty) -> MeetingView:
    """End the meeting for everybody (host)."""
    found = await find_for(call, meeting_id, "end")
    entry = call.audit_entry("meeting.end", target=found.meeting.id)
    event = call.event(ended_event(found.meeting))
    ended = await call.run(_end, found.meeting.id, call.user.id, entry, event, call.now_ms)
    await call.services.live.end(found.meeting.id, by_user_id=call.user.id)
    return view(call, ended)


def ended_event(meeting: Meeting) -> MeetingEnded:
    """That a host ends a meeting."""
    return MeetingEnded(
        meeting_id=meeting.id,
        title=meeting.title,
        reason="ended",
        creator_id=meeting.creator_id,
        started_at_ms=meeting.started_at_ms,
    )


async def _end(
    conn: Conn, meeting_id: str, user_id: str, entry: AuditEntry, event: Envelope, now_ms: int
) -> Found:
    if not await meetings.end(conn, meeting_id, now_ms):
        raise UserError(410, "meeting_ended", "the meeting is over already")
    await audit.insert(conn, entry)
    await outbox.add(conn, event)
    return await find(conn, meeting_id, user_id)
