"""What becomes of a delivery: sent, failed for good, tried again; on real plugins and a real queue."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from appliance.events.catalogue import UserRegistered
from appliance.events.envelope import envelop
from appliance.hooks.contract import Notification, TryLater, Undeliverable
from appliance.reactions.notices import SEND, Notices, Sending
from appliance.reactions.sending import add_notification_jobs
from appliance.settings import NotificationsSettings
from appliance.store import jobs, notifications, users
from appliance.store.database import Database
from appliance.store.notifications import Delivery
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database
from tests.support.plugins import notifier, running
from tests.support.queued_jobs import Shop, now_ms, working
from tests.support.waiting import until

Notify = Callable[[Notification], Awaitable[None]]


@asynccontextmanager
async def told(tmp_path: Path, notify: Notify, named: str = "mail") -> AsyncIterator[Shop]:
    """Bob has an account, of which he is to be told by a notifier; the queue works."""
    async with open_test_database(tmp_path) as database, running(notifier("mail", notify)) as plugins:
        notices = Notices(
            settings=NotificationsSettings(), public_url="", notifiers=lambda: [named], now_ms=now_ms
        )
        await database.run(users.insert, rows.user("bob"))
        event = UserRegistered(user_id="usr_bob", username="bob")
        await database.run(notices.react, envelop(event, event_id="evt_1", at_ms=now_ms()))
        async with working(
            database, lambda registry: add_notification_jobs(registry, database, notices, plugins, now_ms)
        ) as shop:
            yield shop


async def fate(database: Database) -> Delivery:
    (kept,) = await database.read(notifications.page, "usr_bob", after=None, limit=9)
    (delivery,) = await database.read(notifications.deliveries, kept.id)
    return delivery


async def ends(database: Database, *states: str) -> Delivery:
    async def look() -> Delivery | None:
        found = await fate(database)
        return found if found.state in states else None

    found: Delivery = await until(look)
    return found


async def test_a_message_reaches_its_notifier_and_the_history_says_so(tmp_path: Path) -> None:
    came: list[Notification] = []

    async def notify(notification: Notification) -> None:
        came.append(notification)

    async with told(tmp_path, notify) as shop:
        delivery = await ends(shop.database, "sent")
    assert (delivery.attempts, delivery.reason) == (1, None)
    (message,) = came
    assert (message.kind, message.recipient.email) == ("user.registered", "bob@example.org")
    assert message.envelope is not None and message.envelope.id == "evt_1"


async def test_what_can_never_be_delivered_has_failed_and_is_no_dead_letter(tmp_path: Path) -> None:
    async def notify(_: Notification) -> None:
        raise Undeliverable("no such mailbox")

    async with told(tmp_path, notify) as shop:
        delivery = await ends(shop.database, "failed")
        assert delivery.reason == "no such mailbox"
        states = {job.state for job in await shop.database.read(jobs.page, state=None, type=None, after=None, limit=9)}
        assert states <= {"running", "done"}


@pytest.mark.parametrize("error", [TryLater("the server is busy"), LookupError("lost")])
async def test_what_fails_waits_with_its_reason_and_is_tried_again(tmp_path: Path, error: Exception) -> None:
    tries: list[str] = []

    async def notify(notification: Notification) -> None:
        tries.append(notification.id)
        raise error

    async with told(tmp_path, notify) as shop:

        async def noted() -> Delivery | None:
            found = await fate(shop.database)
            return found if found.attempts == 1 else None

        delivery: Delivery = await until(noted)
        assert delivery.state == "waiting" and delivery.reason
        (job,) = await shop.database.read(jobs.page, state=None, type=SEND.name, after=None, limit=9)
        job = await shop.wait_state(job.id, "waiting")
        assert job.run_at_ms > now_ms()
    assert len(set(tries)) == 1


async def test_a_notifier_that_is_gone_is_said(tmp_path: Path) -> None:
    async def notify(_: Notification) -> None:
        await trio.lowlevel.checkpoint()

    async with told(tmp_path, notify, named="pigeon") as shop:
        delivery = await ends(shop.database, "failed")
    assert delivery.reason == "this notifier is not enabled any more"


async def test_a_message_that_was_forgotten_is_not_sent(tmp_path: Path) -> None:
    came: list[Notification] = []

    async def notify(notification: Notification) -> None:
        came.append(notification)

    async with told(tmp_path, notify) as shop:
        await ends(shop.database, "sent")
        job_id = await shop.order(SEND, Sending("ntf_gone", "mail"))
        job = await shop.wait_state(job_id, "done")
        assert job.result == '"nothing to send"'
    assert len(came) == 1
