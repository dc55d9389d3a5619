"""Who is told what when something has happened: events become messages, in the transaction that marks the event told.

Owns that choice, the rate limit and each person's refusals; refuses to carry anything: each delivery is a job
(`reactions.sending`). Repository functions throughout, so a message is written exactly once; its id follows from its
cause, kind and recipient.

- account made → welcome;  signed in from a network that was not used before → notice
- invited → invitation with a calendar entry;  title or time changed → update;  cancelled → cancellation
- some minutes before a planned meeting → reminder to everybody invited and to who planned it
  (everybody invited: a slice of them in a transaction, and an order for the rest, so that thousands hold up nobody)
- ended by a host, or cancelled → reminders that wait are called off
- a picture in a meeting may be manipulated → whoever planned it
- recording ready, or given up → whoever started it and whoever planned the meeting
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from appliance.bus.relay import Reaction
from appliance.events.catalogue import (
    DeepfakeDetectionCompleted,
    MeetingCancelled,
    MeetingCreated,
    MeetingEnded,
    MeetingInvited,
    MeetingUpdated,
    RecordingFailed,
    RecordingProcessed,
    UserLoggedIn,
    UserRegistered,
)
from appliance.events.envelope import Envelope
from appliance.hooks.contract import CalendarEntry, Notification, Recipient
from appliance.jobs.types import JobType
from appliance.reactions.words import length_text, text, time_text, when
from appliance.settings import NotificationsSettings, Settings
from appliance.store import invitations, jobs, meetings, notifications, participants, recordings, users
from appliance.store.database import Conn
from appliance.store.meetings import Meeting
from appliance.store.notifications import Delivery, Kept
from appliance.store.users import User

TYPES = frozenset(
    {
        "user.registered", "user.logged_in", "meeting.created", "meeting.updated", "meeting.invited",
        "meeting.cancelled", "meeting.ended", "recording.processed", "recording.failed",
        "deepfake_detection.completed",
    }
)  # fmt: skip
"""Events that lead to a notification or a reminder, or call one off."""
# What of a meeting is worth telling when it changes.
_TOLD_CHANGES = frozenset({"title", "start_at_ms", "end_at_ms"})
# A meeting without an end lasts as long in calendars: see api/calendar_file.
_USUAL_LENGTH_MS = 3_600_000
_HOUR_MS = 3_600_000
# People of one transaction: with two notifiers some 20 ms of SQLite, in which nobody else writes.
_SLICE = 50


class Sending(msgspec.Struct, frozen=True):
    """Payload of `SEND`."""

    notification_id: str
    notifier: str


class Reminding(msgspec.Struct, frozen=True):
    """Payload of `REMIND`."""

    meeting_id: str
    start_at_ms: int


class Telling(msgspec.Struct, frozen=True):
    """Payload of `TELL`: what the people invited to a meeting are told, and where to go on among them."""

    meeting_id: str
    kind: str
    cause: str
    after: tuple[int, str] | None = None
    """(created_at_ms, id) of the last invitation that was told."""
    envelope: Envelope | None = None
    start_at_ms: int | None = None
    """Of a reminder: it holds while the meeting begins then."""


SEND = JobType(name="notify.send", payload=Sending, attempts=8)
"""One message by one notifier. Eight attempts: with pauses of 5 s to an hour an outage of some hours is outlasted."""
REMIND = JobType(name="notify.remind", payload=Reminding, priority="high")
TELL = JobType(name="notify.tell", payload=Telling, attempts=8)
"""The next slice of those who are invited."""


@dataclass(frozen=True, kw_only=True)
class Notices:
    """The rules of one server."""

    settings: NotificationsSettings
    public_url: str
    """Without a slash at the end; empty when nobody configured it."""
    notifiers: Callable[[], Sequence[str]]
    now_ms: Callable[[], int]

    async def react(self, conn: Conn, envelope: Envelope) -> None:
        """Repository function: what follows from one event."""
        event = envelope.event
        match event:
            case UserRegistered(user_id=user_id):
                await self._tell_user(conn, envelope, user_id)
            case UserLoggedIn(user_id=user_id, new_address=True):
                await self._tell_user(conn, envelope, user_id)
            case MeetingInvited(user_id=user_id, email=email):
                meeting = await meetings.find_any(conn, event.meeting_id)
                if meeting is not None:
                    telling = Telling(meeting.id, event.event_type, envelope.id, envelope=envelope)
                    await self._tell_of_meeting(conn, telling, meeting, [(user_id, email)])
            case MeetingCreated(start_at_ms=int()):
                await self._plan_reminder(conn, envelope, event.meeting_id, event.start_at_ms)
            case MeetingUpdated(changed=changed) if _TOLD_CHANGES.intersection(changed):
                await self.tell(conn, Telling(event.meeting_id, event.event_type, envelope.id, envelope=envelope))
                await self._plan_reminder(conn, envelope, event.meeting_id, event.start_at_ms)
            case MeetingEnded(reason="ended"):
                await jobs.cancel_waiting(conn, REMIND.name, event.meeting_id, self.now_ms())
            case MeetingCancelled():
                await jobs.cancel_waiting(conn, REMIND.name, event.meeting_id, self.now_ms())
                await self.tell(conn, Telling(event.meeting_id, event.event_type, envelope.id, envelope=envelope))
            case DeepfakeDetectionCompleted(alert=True, participant_id=participant_id):
                await self._tell_of_alert(conn, envelope, event.meeting_id, participant_id)
            case RecordingProcessed(duration_ms=duration_ms):
                await self._tell_of_recording(conn, envelope, event.recording_id, length=length_text(duration_ms))
            case RecordingFailed(reason=reason):
                await self._tell_of_recording(conn, envelope, event.recording_id, reason=reason)

    async def remind(self, conn: Conn, payload: Reminding) -> int:
        """Repository function: tell of a meeting that begins soon, if it still does: who planned it, and the first of
        those who are invited. How many."""
        cause = f"reminder_{payload.meeting_id}_{payload.start_at_ms}"
        telling = Telling(payload.meeting_id, "meeting.reminder", cause, start_at_ms=payload.start_at_ms)
        meeting = await meetings.find_any(conn, payload.meeting_id)
        if meeting is None or not _holds(telling, meeting):
            return 0
        planner = await self._tell_of_meeting(conn, telling, meeting, [(meeting.creator_id, None)])
        return planner + await self.tell(conn, telling)

    async def tell(self, conn: Conn, telling: Telling) -> int:
        """Repository function: tell a slice of those who are invited, and order the next. How many were told."""
        meeting = await meetings.find_any(conn, telling.meeting_id)
        if meeting is None or not _holds(telling, meeting):
            return 0
        found = await invitations.page(conn, meeting.id, after=telling.after, limit=_SLICE + 1)
        told = found[:_SLICE]
        count = await self._tell_of_meeting(conn, telling, meeting, [(one.user_id, one.email) for one in told])
        if len(found) > len(told):
            following = msgspec.structs.replace(telling, after=(told[-1].created_at_ms, told[-1].id))
            key = f"{telling.cause}:{telling.kind}:{told[-1].id}"
            await jobs.enqueue(conn, TELL.order(following, now_ms=self.now_ms(), key=key, meeting_id=meeting.id))
        return count

    async def test(self, conn: Conn, user: User, cause: str) -> Kept:
        """Repository function: a message to oneself."""
        recipient = await _recipient(conn, user.id, None)
        assert recipient is not None  # the caller is signed in
        words = text("notification.test", recipient.locale)
        return await self._keep(conn, cause, "notification.test", recipient, words, self.public_url or None)

    # --- inside --------------------------------------------------------------------------------------------------

    async def _tell_user(self, conn: Conn, envelope: Envelope, user_id: str) -> None:
        recipient = await _recipient(conn, user_id, None)
        user = await users.by_id(conn, user_id)
        if recipient is None or user is None:
            return  # deleted meanwhile
        values = {"username": user.username}
        if isinstance(envelope.event, UserLoggedIn):
            time = time_text(envelope.at_ms, recipient.time_zone, recipient.locale)
            values |= {"address": envelope.event.address, "agent": envelope.event.user_agent[:100], "time": time}
        kind = envelope.event.event_type
        words = text(kind, recipient.locale, **values)
        await self._keep(conn, envelope.id, kind, recipient, words, self.public_url or None, envelope=envelope)

    async def _tell_of_meeting(
        self, conn: Conn, telling: Telling, meeting: Meeting, whom: Sequence[tuple[str | None, str | None]]
    ) -> int:
        """Tell these; how many there are of them."""
        organizer = None if meeting.creator_id is None else await users.by_id(conn, meeting.creator_id)
        link = None if meeting.status == "cancelled" else self._meeting_url(meeting)
        reminder = telling.start_at_ms is not None
        count = 0
        for user_id, email in whom:
            recipient = await _recipient(conn, user_id, email)
            if recipient is None:
                continue
            count += 1
            zone, locale = recipient.time_zone, recipient.locale
            values = {"title": meeting.title, "code": meeting.code}
            values |= {"organizer": "" if organizer is None else organizer.nickname}
            values |= {"when": when(meeting.start_at_ms, zone, locale)}
            values |= {"time": time_text(telling.start_at_ms, zone, locale)} if telling.start_at_ms is not None else {}
            await self._keep(
                conn,
                telling.cause,
                telling.kind,
                recipient,
                text(telling.kind, locale, **values),
                link,
                envelope=telling.envelope,
                meeting_id=meeting.id,
                calendar=None if reminder else _calendar(meeting, organizer),
            )
        return count

    async def _tell_of_recording(self, conn: Conn, envelope: Envelope, recording_id: str, **values: str) -> None:
        recording = await recordings.by_id(conn, recording_id)
        if recording is None or recording.deleted_at_ms is not None:
            return
        meeting = await meetings.find_any(conn, recording.meeting_id)
        planner = None if meeting is None else meeting.creator_id
        kind, link = envelope.event.event_type, f"{self.public_url}/recordings/{recording.id}"
        for user_id in dict.fromkeys((recording.started_by_id, planner)):
            recipient = None if user_id is None else await _recipient(conn, user_id, None)
            if recipient is not None:
                words = text(kind, recipient.locale, title=recording.title, **values)
                await self._keep(
                    conn,
                    envelope.id,
                    kind,
                    recipient,
                    words,
                    link if self.public_url else None,
                    envelope=envelope,
                    meeting_id=recording.meeting_id,
                )

    async def _tell_of_alert(self, conn: Conn, envelope: Envelope, meeting_id: str, participant_id: str) -> None:
        """Whoever planned the meeting; hosts who are in it were told there."""
        meeting = await meetings.find_any(conn, meeting_id)
        recipient = None if meeting is None else await _recipient(conn, meeting.creator_id, None)
        if meeting is None or recipient is None:
            return
        person = await participants.by_id(conn, meeting_id, participant_id)
        kind, name = envelope.event.event_type, "?" if person is None else person.name
        time = time_text(envelope.at_ms, recipient.time_zone, recipient.locale)
        words = text(kind, recipient.locale, title=meeting.title, name=name, time=time)
        link = f"{self.public_url}/meetings/{meeting.id}/report" if self.public_url else None
        await self._keep(
            conn, envelope.id, kind, recipient, words, link, envelope=envelope, meeting_id=meeting.id
        )

    async def _plan_reminder(
        self, conn: Conn, envelope: Envelope, meeting_id: str, start_at_ms: int | None
    ) -> None:
        now_ms = self.now_ms()
        if start_at_ms is None or start_at_ms <= now_ms:
            return
        due_ms = max(now_ms, start_at_ms - round(self.settings.reminder_before_s * 1000))
        order = REMIND.order(
            Reminding(meeting_id, start_at_ms), now_ms=now_ms, run_at_ms=due_ms, key=envelope.id, meeting_id=meeting_id
        )
        await jobs.enqueue(conn, order)

    def _meeting_url(self, meeting: Meeting) -> str | None:
        """None without a configured URL: what a request's Host header says is whoever wrote the request's word."""
        return f"{self.public_url}/{meeting.code}" if self.public_url else None

    async def _keep(
        self,
        conn: Conn,
        cause: str,
        kind: str,
        recipient: Recipient,
        words: tuple[str, str, str],
        url: str | None,
        *,
        envelope: Envelope | None = None,
        meeting_id: str | None = None,
        calendar: CalendarEntry | None = None,
    ) -> Kept:
        """Write the message and an order for each notifier that is to carry it."""
        now_ms, whom = self.now_ms(), recipient.user_id or (recipient.email or "").casefold()
        ident = "ntf_" + hashlib.sha256(f"{cause}\n{kind}\n{whom}".encode()).hexdigest()[:20]
        title, body, label = words
        message = Notification(
            id=ident,
            kind=kind,
            recipient=recipient,
            title=title,
            body=body,
            created_at_ms=now_ms,
            url=url,
            url_label=label if url else None,
            envelope=envelope,
            calendar=calendar,
        )
        kept = Kept(
            id=ident,
            kind=kind,
            cause=cause,
            recipient=whom,
            user_id=recipient.user_id,
            meeting_id=meeting_id,
            url=url,
            message=msgspec.json.encode(message).decode(),
            created_at_ms=now_ms,
        )
        # what is told of one's own account is never too much: else whoever floods somebody hides a sign-in
        too_many = not kind.startswith("user.") and (
            await notifications.count_since(conn, whom, now_ms - _HOUR_MS) >= self.settings.per_hour
        )
        if not await notifications.insert(conn, kept):
            return kept  # told already
        refused = set() if recipient.user_id is None else await notifications.refusals(conn, recipient.user_id)
        for notifier in self.notifiers():
            reason = None
            if too_many:
                reason = f"more than {self.settings.per_hour} messages within an hour"
            elif (kind, notifier) in refused:
                reason = "not wanted"
            delivery = Delivery(
                notification_id=ident,
                notifier=notifier,
                state="waiting" if reason is None else "skipped",
                attempts=0,
                reason=reason,
                changed_at_ms=now_ms,
            )
            await notifications.set_delivery(conn, delivery)
            if reason is None:
                sending = Sending(ident, notifier)
                await jobs.enqueue(conn, SEND.order(sending, now_ms=now_ms, key=f"{ident}:{notifier}"))
        return kept


def make_notices(settings: Settings, notifiers: Callable[[], Sequence[str]], now_ms: Callable[[], int]) -> Notices:
    """The rules by a server's settings. ``notifiers``: names of those that are enabled, those that are off among
    them: what is for them waits."""
    return Notices(
        settings=settings.notifications,
        public_url=settings.http.public_url.rstrip("/"),
        notifiers=notifiers,
        now_ms=now_ms,
    )


def notice_reaction(notices: Notices) -> Reaction:
    """Lasting under its name: what is owed is kept over restarts."""
    return Reaction(name="notices", types=TYPES, react=notices.react)


def _holds(telling: Telling, meeting: Meeting) -> bool:
    """Whether it is still worth telling: the rest of many may be told later than something else has happened."""
    if telling.kind == "meeting.cancelled":
        return True
    over = meeting.status in ("ended", "cancelled")
    return not over and telling.start_at_ms in (None, meeting.start_at_ms)


async def _recipient(conn: Conn, user_id: str | None, email: str | None) -> Recipient | None:
    """Who it is for; None for an account that is gone or banned."""
    if user_id is None:
        return None if email is None else Recipient(name=email, email=email)
    user = await users.by_id(conn, user_id)
    if user is None or user.status != "active":
        return None
    profile = await notifications.profile(conn, user_id)
    return Recipient(
        name=user.nickname,
        email=user.email,
        user_id=user.id,
        locale=profile.locale,
        time_zone=profile.time_zone,
    )


def _calendar(meeting: Meeting, organizer: User | None) -> CalendarEntry | None:
    """The meeting for a calendar; none without a time. Number and revision are those of its .ics file."""
    if meeting.start_at_ms is None:
        return None
    return CalendarEntry(
        uid=f"{meeting.id}@parley",
        method="CANCEL" if meeting.status == "cancelled" else "REQUEST",
        sequence=max(0, meeting.updated_at_ms - meeting.created_at_ms) // 1000,
        title=meeting.title,
        start_at_ms=meeting.start_at_ms,
        end_at_ms=meeting.end_at_ms or meeting.start_at_ms + _USUAL_LENGTH_MS,
        organizer_name="" if organizer is None else organizer.nickname,
        organizer_email=None if organizer is None else organizer.email,
        description=meeting.description,
    )
