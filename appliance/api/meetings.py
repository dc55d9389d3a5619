"""Meetings: plan, list, show, change, join, leave, end, delete, invite, calendar."""

from __future__ import annotations

from msgspec import UNSET, structs

from appliance.api import texts
from appliance.api.bodies import CreateMeetingBody, Empty, InviteBody, MeetingsQuery, UpdateMeetingBody
from appliance.api.calendar_file import calendar_file
from appliance.api.call import Blob, Call
from appliance.api.join import end, ended_event, join, leave
from appliance.api.limits import invitations_limit
from appliance.api.meeting_access import Found, find, find_for, is_recorded, view
from appliance.api.pages import Page, cut, decode_cursor
from appliance.api.shapes import Invited, MeetingPreview, MeetingView, Nothing, meeting_preview
from appliance.api.times import to_ms, to_text
from appliance.errors import UserError
from appliance.events.catalogue import MeetingCancelled, MeetingCreated, MeetingInvited, MeetingUpdated
from appliance.events.envelope import Envelope
from appliance.ids import new_id, new_meeting_code
from appliance.store import audit, invitations, meetings, outbox, reports, transcripts, users, vision
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.meetings import Meeting

__all__ = ["calendar", "create", "delete", "end", "invite", "join", "leave", "list_page", "show", "update"]

# Codes drawn at once: 45 random bits each, so that even with a million meetings two in a row are free.
CODE_TRIES = 8
# What a host may still say of a meeting that has ended: of what it left behind.
_AFTER_THE_END = {"recording_access", "recording_download"}
# What is stored as it is given.
_PLAIN = (
    "locked", "auto_record", "recording_consent", "recording_access", "recording_download", "emotion_detection",
    "deepfake_detection",
)  # fmt: skip


async def create(call: Call, body: CreateMeetingBody) -> MeetingView:
    """Create a meeting; without times it is one to start now."""
    settings, user = call.services.settings.meetings, call.user
    title = texts.title(body.title) if body.title is not None else f"{user.nickname}'s meeting"[: texts.TITLE_MAX]
    start = None if body.start_time is None else to_ms(body.start_time, "start_time")
    end_at = None if body.end_time is None else to_ms(body.end_time, "end_time")
    _check_times(start, end_at)
    meeting = Meeting(
        id=new_id("mtg"),
        code="",
        title=title,
        description=texts.description(body.description),
        creator_id=user.id,
        status="scheduled",
        start_at_ms=start,
        end_at_ms=end_at,
        started_at_ms=None,
        ended_at_ms=None,
        created_at_ms=call.now_ms,
        updated_at_ms=call.now_ms,
        max_participants=_bounded(call, body.max_participants),
        guests_allowed=settings.guests_allowed if body.guests_allowed is None else body.guests_allowed,
        passcode_hash=None if body.passcode is None else await call.services.passwords.hash(body.passcode),
        locked=False,
        auto_record=body.auto_record,
        recording_consent=body.recording_consent,
        recording_access=body.recording_access,
        recording_download=body.recording_download,
        emotion_detection=body.emotion_detection,
        deepfake_detection=body.deepfake_detection,
    )
    codes = [new_meeting_code() for _ in range(CODE_TRIES)]
    event = MeetingCreated(
        meeting_id=meeting.id, title=title, creator_id=user.id, start_at_ms=start, end_at_ms=end_at
    )
    entry = call.audit_entry("meeting.create", target=meeting.id)
    stored = await call.run(_insert, meeting, codes, entry, call.event(event))
    return view(call, Found(meeting=stored, creator=user, my_role="host", kicked=False, has_transcript=False))


async def _insert(
    conn: Conn, meeting: Meeting, codes: list[str], entry: AuditEntry, event: Envelope
) -> Meeting:
    for code in codes:
        if not await meetings.code_taken(conn, code):
            stored = structs.replace(meeting, code=code)
            await meetings.insert(conn, stored)
            await audit.insert(conn, entry)
            await outbox.add(conn, event)
            return stored
    raise RuntimeError(f"{len(codes)} random meeting codes in a row were taken")


def _bounded(call: Call, wanted: int | None) -> int:
    ceiling = call.services.settings.meetings.max_participants
    if wanted is not None and wanted > ceiling:
        raise UserError(400, "invalid_field", f"max_participants is above {ceiling}", field="max_participants")
    return ceiling if wanted is None else wanted


def _check_times(start_ms: int | None, end_ms: int | None) -> None:
    if end_ms is not None and (start_ms is None or end_ms <= start_ms):
        raise UserError(400, "invalid_field", "end_time must come after start_time", field="end_time")


async def list_page(call: Call, query: MeetingsQuery) -> Page[MeetingView]:
    """Meetings that I created, was invited to or joined, newest first."""
    after = decode_cursor(query.cursor)
    rows = await call.read(_found_page, call.user.id, query, after)
    return cut(
        rows,
        query.limit,
        lambda found: view(call, found),
        lambda found: (found.meeting.created_at_ms, found.meeting.id),
    )


async def _found_page(
    conn: Conn, user_id: str, query: MeetingsQuery, after: tuple[int, str] | None
) -> list[Found]:
    rows = await meetings.page(
        conn, user_id=user_id, created_only=query.mine, status=query.status, after=after, limit=query.limit + 1
    )
    return [await find(conn, row.id, user_id) for row in rows]


async def show(call: Call, meeting_id: str) -> MeetingView | MeetingPreview:
    """A meeting by id or code; signed-out callers see what they need to join."""
    found = await call.read(find, meeting_id, None if call.caller is None else call.user.id)
    if call.caller is None:
        captions = call.services.live.has_captions(found.meeting.id)
        return meeting_preview(found.meeting, recording=is_recorded(call, found), captions=captions)
    return view(call, found)


async def update(call: Call, meeting_id: str, body: UpdateMeetingBody) -> MeetingView:
    """Change a meeting (host); fields left out stay. Of one that has ended, who may see its recordings."""
    found = await find_for(call, meeting_id, "edit")
    given = {name for name in body.__struct_fields__ if getattr(body, name) is not UNSET}
    over = found.meeting.status in ("ended", "cancelled")
    if over and not (found.meeting.status == "ended" and given and given <= _AFTER_THE_END):
        raise UserError(410, "meeting_ended", "the meeting is over")
    changes: dict[str, object] = {}
    if body.title is not UNSET:
        changes["title"] = texts.title(body.title)
    if body.description is not UNSET:
        changes["description"] = texts.description(body.description)
    if body.start_time is not UNSET:
        changes["start_at_ms"] = None if body.start_time is None else to_ms(body.start_time, "start_time")
    if body.end_time is not UNSET:
        changes["end_at_ms"] = None if body.end_time is None else to_ms(body.end_time, "end_time")
    if body.max_participants is not UNSET:
        changes["max_participants"] = _bounded(call, body.max_participants)
    if body.guests_allowed is not UNSET:
        changes["guests_allowed"] = body.guests_allowed
    if body.passcode is not UNSET:
        hashed = None if body.passcode is None else await call.services.passwords.hash(body.passcode)
        changes["passcode_hash"] = hashed
    for name in _PLAIN:
        if (value := getattr(body, name)) is not UNSET:
            changes[name] = value
    entry = call.audit_entry("meeting.update", target=found.meeting.id, detail=" ".join(sorted(changes)))
    event = call.event(
        MeetingUpdated(meeting_id=found.meeting.id, title=found.meeting.title, changed=tuple(sorted(changes)))
    )
    changed = await call.run(_store_changes, found.meeting.id, call.user.id, changes, entry, event, call.now_ms)
    live = call.services.live
    live.meeting_changed(changed.meeting.id, title=changed.meeting.title, locked=changed.meeting.locked)
    return view(call, changed)


async def _store_changes(
    conn: Conn,
    meeting_id: str,
    user_id: str,
    changes: dict[str, object],
    entry: AuditEntry,
    event: Envelope,
    now_ms: int,
) -> Found:
    found = await find(conn, meeting_id, user_id)
    changed = structs.replace(found.meeting, **changes)
    _check_times(changed.start_at_ms, changed.end_at_ms)
    await meetings.update(conn, changed, now_ms)
    await audit.insert(conn, entry)
    assert isinstance(event.event, MeetingUpdated)
    times = {"start_at_ms": changed.start_at_ms, "end_at_ms": changed.end_at_ms}
    differ = tuple(name for name in sorted(changes) if getattr(found.meeting, name) != changes[name])
    if differ:
        told = structs.replace(event.event, title=changed.title, changed=differ, **times)
        await outbox.add(conn, structs.replace(event, event=told))
    return await find(conn, meeting_id, user_id)


async def delete(call: Call, meeting_id: str, body: Empty) -> Nothing:
    """Cancel a planned meeting, or end a running one, and take it off the lists (host)."""
    found = await find_for(call, meeting_id, "delete")
    entry = call.audit_entry("meeting.delete", target=found.meeting.id)
    meeting = found.meeting
    cancelled = call.event(MeetingCancelled(meeting_id=meeting.id, title=meeting.title))
    await call.run(_delete, meeting.id, entry, cancelled, call.event(ended_event(meeting)), call.now_ms)
    await call.services.live.end(found.meeting.id, by_user_id=call.user.id)
    return Nothing()


async def _delete(
    conn: Conn, meeting_id: str, entry: AuditEntry, cancelled: Envelope, ended: Envelope, now_ms: int
) -> None:
    before = await meetings.find(conn, meeting_id)
    if before is None or not await meetings.delete(conn, meeting_id, now_ms):
        raise UserError(404, "not_found", "there is no such meeting", field="meeting_id")
    await transcripts.remove_meeting(conn, meeting_id)
    await reports.remove_meeting(conn, meeting_id)
    await vision.remove_meeting(conn, meeting_id)
    await audit.insert(conn, entry)
    match before.status:  # one that is over already was told of
        case "scheduled":
            await outbox.add(conn, cancelled)
        case "active":
            await outbox.add(conn, ended)


async def invite(call: Call, meeting_id: str, body: InviteBody) -> Invited:
    """Invite accounts and addresses; answers with a text and the link to send along."""
    found = await find_for(call, meeting_id, "invite")
    meeting = found.meeting
    if meeting.status in ("ended", "cancelled"):
        raise UserError(410, "meeting_ended", "the meeting is over")
    emails = [texts.email(email, f"emails[{n}]") for n, email in enumerate(body.emails)]
    url = f"{call.base_url}/{meeting.code}"
    for _ in range(len(emails) + len(body.user_ids)):
        call.limit("invitation", invitations_limit(call.services.settings.limits), who=call.user.id)
    events = [
        call.event(MeetingInvited(meeting_id=meeting.id, invitation_id=new_id("inv"), by_user_id=call.user.id))
        for _ in range(len(emails) + len(body.user_ids))
    ]
    most = call.services.settings.meetings.max_invitations
    invited = await call.run(_invite, meeting.id, call.user.id, emails, body.user_ids, events, most, call.now_ms)
    when = "" if meeting.start_at_ms is None else f", {to_text(meeting.start_at_ms)}"
    message = f"{call.user.nickname} invites you to “{meeting.title}”{when}: {url}"
    return Invited(url=url, code=meeting.code, message=message, invited=invited)


async def _invite(
    conn: Conn,
    meeting_id: str,
    by_user_id: str,
    emails: list[str],
    user_ids: list[str],
    events: list[Envelope],
    most: int,
    now_ms: int,
) -> int:
    invited = 0
    targets: list[tuple[str | None, str | None]] = []
    for n, user_id in enumerate(user_ids):
        if await users.by_id(conn, user_id) is None:
            raise UserError(404, "not_found", "there is no such account", field=f"user_ids[{n}]")
        targets.append((user_id, None))
    for email in emails:
        known = await users.by_login(conn, email)
        targets.append((known.id, None) if known is not None else (None, email))
    for event, (target_id, address) in zip(events, targets, strict=True):
        assert isinstance(event.event, MeetingInvited)
        is_new = await invitations.insert(
            conn,
            invitation_id=event.event.invitation_id,
            meeting_id=meeting_id,
            user_id=target_id,
            email=address,
            invited_by=by_user_id,
            now_ms=now_ms,
        )
        if is_new:
            told = structs.replace(event.event, user_id=target_id, email=address)
            await outbox.add(conn, structs.replace(event, event=told))
        invited += is_new
    if invited and await invitations.count(conn, meeting_id) > most:
        raise UserError(409, "too_many_invitations", f"a meeting invites at most {most} people")
    return invited


async def calendar(call: Call, meeting_id: str) -> Blob:
    """The meeting as an iCalendar file; signed-out callers get no description."""
    found = await call.read(find, meeting_id, None if call.caller is None else call.user.id)
    url = f"{call.base_url}/{found.meeting.code}"
    content = calendar_file(found.meeting, url=url, now_ms=call.now_ms, with_description=call.caller is not None)
    return Blob(
        content=content,
        media_type="text/calendar; charset=utf-8; method=PUBLISH",
        headers={
            "Content-Disposition": f'attachment; filename="{found.meeting.code}.ics"',
            "Cache-Control": "private, no-cache",
        },
    )


