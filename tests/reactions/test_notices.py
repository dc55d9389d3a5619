"""Who is told what: events in, messages and orders out, in one transaction."""

from __future__ import annotations

import dataclasses
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from appliance.events.catalogue import (
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
from appliance.events.envelope import envelop
from appliance.hooks.contract import Notification
from appliance.reactions.notices import Notices, Reminding, Telling
from appliance.settings import NotificationsSettings
from appliance.store import invitations, jobs, meetings, notifications, recordings, users
from appliance.store.database import Conn, Database
from appliance.store.jobs import Job
from appliance.store.notifications import Profile
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database

NOW_MS = 1_893_400_000_000
START_MS = 1_893_492_000_000  # 2030-01-01T10:00:00Z


def notices(**settings: Any) -> Notices:
    return Notices(
        settings=NotificationsSettings(**settings),
        public_url="https://meet.example.org",
        notifiers=lambda: ["email", "webhook"],
        now_ms=lambda: NOW_MS,
    )


async def _people(conn: Conn) -> None:
    for name in ("ann", "bob"):
        await users.insert(conn, rows.user(name))
    meeting = rows.meeting("one", "usr_ann", title="Plan <b>", start_at_ms=START_MS, end_at_ms=START_MS + 60_000)
    await meetings.insert(conn, meeting)
    for number, (user_id, email) in enumerate([("usr_bob", None), (None, "guest@example.org")]):
        await invitations.insert(
            conn,
            invitation_id=f"inv_{number}",
            meeting_id="mtg_one",
            user_id=user_id,
            email=email,
            invited_by="usr_ann",
            now_ms=number,
        )


@asynccontextmanager
async def world(tmp_path: Path) -> AsyncIterator[Database]:
    async with open_test_database(tmp_path) as database:
        await database.run(_people)
        yield database


async def react(database: Database, event: Any, rules: Notices | None = None, event_id: str = "evt_1") -> None:
    envelope = envelop(event, event_id=event_id, at_ms=NOW_MS)
    await database.run((rules or notices()).react, envelope)


async def messages(database: Database) -> list[Notification]:
    async def all_of_them(conn: Conn) -> list[Any]:
        return await conn.fetch("SELECT message FROM notifications ORDER BY recipient")

    found = await database.read(all_of_them)
    return [msgspec.json.decode(row["message"], type=Notification) for row in found]


async def orders(database: Database, type: str) -> list[Job]:
    return await database.read(jobs.page, state=None, type=type, after=None, limit=99)


async def test_a_new_account_is_welcomed_once_in_its_language(tmp_path: Path) -> None:
    async with world(tmp_path) as database:
        await database.run(notifications.set_profile, "usr_bob", Profile(locale="zh-CN", time_zone="Asia/Shanghai"))
        for _ in range(2):
            await react(database, UserRegistered(user_id="usr_bob", username="bob"))
        (message,) = await messages(database)
        assert (message.kind, message.title) == ("user.registered", "欢迎使用 Parley")
        assert (message.recipient.user_id, message.url) == ("usr_bob", "https://meet.example.org")
        sending = [msgspec.json.decode(job.payload) for job in await orders(database, "notify.send")]
        assert sorted(order["notifier"] for order in sending) == ["email", "webhook"]


async def test_only_a_sign_in_from_elsewhere_is_told(tmp_path: Path) -> None:
    known = UserLoggedIn(user_id="usr_bob", session_id="ses_1", address="192.0.2.1", user_agent="Firefox")
    async with world(tmp_path) as database:
        await react(database, known)
        assert await messages(database) == []
        await react(database, msgspec.structs.replace(known, new_address=True), event_id="evt_2")
        (message,) = await messages(database)
        assert "192.0.2.1" in message.body and "Firefox" in message.body


async def test_an_invitation_has_a_link_and_a_calendar_entry(tmp_path: Path) -> None:
    invited = MeetingInvited(
        meeting_id="mtg_one", invitation_id="inv_1", by_user_id="usr_ann", email="guest@example.org"
    )
    async with world(tmp_path) as database:
        await react(database, invited)
        (message,) = await messages(database)
        assert message.title == "Invitation: Plan <b>"
        assert message.url == "https://meet.example.org/abc-defg-one"
        assert (message.recipient.name, message.recipient.user_id) == ("guest@example.org", None)
        assert message.calendar is not None
        assert (message.calendar.uid, message.calendar.method) == ("mtg_one@parley", "REQUEST")
        assert (message.calendar.start_at_ms, message.calendar.end_at_ms) == (START_MS, START_MS + 60_000)


async def test_without_a_public_url_there_is_the_code_and_no_link(tmp_path: Path) -> None:
    bare = dataclasses.replace(notices(), public_url="")
    invited = MeetingInvited(
        meeting_id="mtg_one", invitation_id="inv_1", by_user_id="usr_ann", user_id="usr_bob"
    )
    async with world(tmp_path) as database:
        await react(database, invited, bare)
        updated = MeetingUpdated(meeting_id="mtg_one", title="x", changed=("title",), start_at_ms=START_MS)
        await react(database, updated, bare, event_id="evt_2")
        told = await messages(database)
        assert {message.url for message in told} == {None}
        assert all("abc-defg-one" in message.body for message in told)


async def test_everybody_invited_hears_of_changes_and_of_the_end(tmp_path: Path) -> None:
    async with world(tmp_path) as database:
        await react(database, MeetingUpdated(meeting_id="mtg_one", title="x", changed=("locked",)), event_id="evt_0")
        assert await messages(database) == []
        updated = MeetingUpdated(meeting_id="mtg_one", title="x", changed=("start_at_ms",), start_at_ms=START_MS)
        await react(database, updated)
        assert [m.kind for m in await messages(database)] == ["meeting.updated"] * 2
        await database.run(meetings.delete, "mtg_one", NOW_MS)
        await react(database, MeetingCancelled(meeting_id="mtg_one", title="x"), event_id="evt_2")
        cancelled = [m for m in await messages(database) if m.kind == "meeting.cancelled"]
        assert len(cancelled) == 2
        assert all(m.calendar and m.calendar.method == "CANCEL" and m.url is None for m in cancelled)


async def _invite_many(conn: Conn, count: int) -> None:
    for number in range(count):
        await invitations.insert(
            conn,
            invitation_id=f"inv_many_{number:04}",
            meeting_id="mtg_one",
            user_id=None,
            email=f"guest{number}@example.net",
            invited_by="usr_ann",
            now_ms=10 + number // 7,  # several at once
        )


async def _tell_on(database: Database, rules: Notices, done: set[str]) -> int:
    """Do the order that waits, as the queue would, and twice; how many it told."""
    (job,) = [job for job in await orders(database, "notify.tell") if job.id not in done]
    done.add(job.id)
    payload = msgspec.json.decode(job.payload, type=Telling)
    counts = {await database.run(rules.tell, payload) for _ in range(2)}
    (count,) = counts
    return count


@pytest.mark.parametrize("what", ["updated", "reminder"])
async def test_thousands_are_told_slice_by_slice(tmp_path: Path, what: str) -> None:
    rules = notices()
    async with world(tmp_path) as database:
        await database.run(_invite_many, 210)
        if what == "updated":
            updated = MeetingUpdated(meeting_id="mtg_one", title="x", changed=("title",))
            await react(database, updated, rules)
        else:
            assert await database.run(rules.remind, Reminding("mtg_one", START_MS)) == 51  # and who planned it
        first = len(await messages(database))
        assert first == 50 + (what == "reminder")
        done: set[str] = set()
        counts = [await _tell_on(database, rules, done) for _ in range(4)]
        assert counts == [50, 50, 50, 12]  # two were invited before
        told = [message.recipient.email for message in await messages(database)]
        assert len(told) == len(set(told)) == 212 + (what == "reminder")
        assert len(await orders(database, "notify.tell")) == 4
        assert all(message.kind == f"meeting.{what}" for message in await messages(database))


async def test_the_rest_of_a_change_is_not_told_once_the_meeting_is_cancelled(tmp_path: Path) -> None:
    rules = notices()
    async with world(tmp_path) as database:
        await database.run(_invite_many, 60)
        await react(database, MeetingUpdated(meeting_id="mtg_one", title="x", changed=("title",)), rules)
        await database.run(meetings.delete, "mtg_one", NOW_MS)
        done: set[str] = set()
        assert await _tell_on(database, rules, done) == 0
        await react(database, MeetingCancelled(meeting_id="mtg_one", title="x"), rules, event_id="evt_2")
        assert await _tell_on(database, rules, done) == 12
        cancelled = [message for message in await messages(database) if message.kind == "meeting.cancelled"]
        assert len(cancelled) == 62 and len(await messages(database)) == 62 + 50


async def test_a_reminder_is_ordered_in_time_and_sent_if_it_still_holds(tmp_path: Path) -> None:
    created = MeetingCreated(meeting_id="mtg_one", title="x", creator_id="usr_ann", start_at_ms=START_MS)
    async with world(tmp_path) as database:
        await react(database, created)
        (order,) = await orders(database, "notify.remind")
        assert order.run_at_ms == START_MS - 600_000
        rules = notices()
        assert await database.run(rules.remind, Reminding("mtg_one", START_MS + 1)) == 0
        assert await database.run(rules.remind, Reminding("mtg_one", START_MS)) == 3
        assert await database.run(rules.remind, Reminding("mtg_one", START_MS)) == 3  # told once all the same
        told = await messages(database)
        assert [(m.recipient.name, m.kind) for m in told] == [
            ("guest@example.org", "meeting.reminder"), ("Ann", "meeting.reminder"), ("Bob", "meeting.reminder"),
        ]  # fmt: skip


@pytest.mark.parametrize("ended", [True, False])
async def test_reminders_of_a_meeting_that_is_over_are_called_off(tmp_path: Path, ended: bool) -> None:
    created = MeetingCreated(meeting_id="mtg_one", title="x", creator_id="usr_ann", start_at_ms=START_MS)
    over: Any = MeetingCancelled(meeting_id="mtg_one", title="x")
    if ended:
        over = MeetingEnded(meeting_id="mtg_one", title="x", reason="ended")
    async with world(tmp_path) as database:
        await react(database, created)
        left = MeetingEnded(meeting_id="mtg_one", title="x", reason="empty")
        await react(database, left, event_id="evt_2")
        assert [job.state for job in await orders(database, "notify.remind")] == ["waiting"]
        await react(database, over, event_id="evt_3")
        assert [job.state for job in await orders(database, "notify.remind")] == ["cancelled"]


async def test_a_meeting_without_a_time_or_in_the_past_has_no_reminder(tmp_path: Path) -> None:
    async with world(tmp_path) as database:
        for number, start in enumerate((None, NOW_MS - 1)):
            created = MeetingCreated(meeting_id="mtg_one", title="x", creator_id="usr_ann", start_at_ms=start)
            await react(database, created, event_id=f"evt_{number}")
        assert await orders(database, "notify.remind") == []


async def test_what_is_not_wanted_and_what_is_too_much_is_skipped_and_said(tmp_path: Path) -> None:
    async with world(tmp_path) as database:
        await database.run(notifications.set_refusals, "usr_bob", {("meeting.invited", "email")})
        rules = notices(per_hour=1)
        invited = MeetingInvited(
            meeting_id="mtg_one", invitation_id="inv_0", by_user_id="usr_ann", user_id="usr_bob"
        )
        for event_id in ("evt_1", "evt_2"):
            await react(database, invited, rules, event_id=event_id)
        first, second = await database.read(notifications.page, "usr_bob", after=None, limit=9)
        by_cause = {kept.cause: await database.read(notifications.deliveries, kept.id) for kept in (first, second)}
        assert [(d.notifier, d.state, d.reason) for d in by_cause["evt_1"]] == [
            ("email", "skipped", "not wanted"), ("webhook", "waiting", None),
        ]  # fmt: skip
        assert {(d.state, d.reason) for d in by_cause["evt_2"]} == {
            ("skipped", "more than 1 messages within an hour"),
        }
        assert len(await orders(database, "notify.send")) == 1
        # a flood does not hide what is told of one's own account
        own = UserLoggedIn(
            user_id="usr_bob", session_id="ses_1", address="192.0.2.1", user_agent="x", new_address=True
        )
        await react(database, own, rules, event_id="evt_3")
        assert len(await orders(database, "notify.send")) == 3


async def test_what_was_skipped_counts_for_nothing(tmp_path: Path) -> None:
    """Whoever floods somebody with invitations hides an hour's, and no more than that."""
    invited = MeetingInvited(meeting_id="mtg_one", invitation_id="inv_0", by_user_id="usr_ann", user_id="usr_bob")
    signed_in = UserLoggedIn(user_id="usr_bob", session_id="ses", address="192.0.2.1", user_agent="x", new_address=True)
    async with world(tmp_path) as database:
        for minute in range(0, 130, 10):
            rules = dataclasses.replace(notices(per_hour=1), now_ms=lambda m=minute: NOW_MS + m * 60_000)  # type: ignore[misc]
            await react(database, signed_in, rules, event_id=f"evt_own_{minute}")
            await react(database, invited, rules, event_id=f"evt_{minute}")
        page = await database.read(notifications.page, "usr_bob", after=None, limit=99)
        sent = []
        for kept in reversed(page):
            fares = await database.read(notifications.deliveries, kept.id)
            if kept.kind == "meeting.invited" and fares[0].state == "waiting":
                sent.append(kept.cause)
        assert sent == ["evt_0", "evt_70"]


@pytest.mark.parametrize("status", ["banned", "gone"])
async def test_nobody_is_told_after_they_left(tmp_path: Path, status: str) -> None:
    async def leave(conn: Conn) -> None:
        if status == "banned":
            await users.set_status(conn, "usr_bob", "banned", NOW_MS)
        else:
            await users.delete(conn, "usr_bob")

    async with world(tmp_path) as database:
        await database.run(leave)
        await react(database, UserRegistered(user_id="usr_bob", username="bob"))
        assert await messages(database) == []


async def test_of_a_recording_its_starter_and_the_host_are_told(tmp_path: Path) -> None:
    async with world(tmp_path) as database:
        await database.run(notifications.set_profile, "usr_bob", Profile(locale="zh-CN"))
        await database.run(recordings.start, rows.recording("r", "mtg_one", started_by_id="usr_bob", title="Plan <b>"))
        await database.run(recordings.stop, "rec_r", reason="asked", recovered=False, now_ms=2000)
        ready = RecordingProcessed(meeting_id="mtg_one", recording_id="rec_r", duration_ms=247_000, bytes=1)
        for _ in range(2):
            await react(database, ready)
        ann, bob = await messages(database)
        assert (ann.recipient.user_id, bob.recipient.user_id) == ("usr_ann", "usr_bob")
        assert (ann.kind, ann.title) == ("recording.processed", "Recording ready: Plan <b>")
        assert "4:07" in ann.body and ann.url == "https://meet.example.org/recordings/rec_r"
        assert bob.title == "录制已完成：Plan <b>"


async def test_of_a_recording_that_failed_the_reason_is_told(tmp_path: Path) -> None:
    failed = RecordingFailed(meeting_id="mtg_one", recording_id="rec_r", reason="the disk is full")
    async with world(tmp_path) as database:
        await react(database, failed)  # gone meanwhile
        await database.run(recordings.start, rows.recording("r", "mtg_one"))
        await react(database, failed, event_id="evt_2")
        (ann,) = await messages(database)
        assert ann.recipient.user_id == "usr_ann" and "the disk is full" in ann.body
        await database.run(recordings.stop, "rec_r", reason="asked", recovered=False, now_ms=2000)
        await database.run(recordings.delete, "rec_r", 3000)
        await react(database, failed, event_id="evt_3")
        assert len(await messages(database)) == 1
