"""A plugin that runs is remembered, and messages that waited for it are sent at once."""

from __future__ import annotations

from pathlib import Path

import trio

from appliance.events.catalogue import UserRegistered
from appliance.events.envelope import envelop
from appliance.hooks.contract import Notification
from appliance.hooks.running import Known
from appliance.reactions.notices import Notices
from appliance.reactions.returning import follow_plugins, recall
from appliance.reactions.sending import add_notification_jobs
from appliance.settings import NotificationsSettings
from appliance.store import jobs, notifications, users
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database
from tests.support.plugins import LISTENERS, NOTIFIERS, found, listener, notifier, opening, plugin, running
from tests.support.queued_jobs import now_ms, working
from tests.support.waiting import until


async def _nothing(_argument: object) -> None: ...


async def test_what_runs_is_remembered_and_the_others_are_not_forgotten(tmp_path: Path) -> None:
    async with open_test_database(tmp_path) as database:
        assert await recall(database) == []
        ears = listener("ears", ["meeting.ended"], _nothing)
        for installed in ((ears, notifier("mail", _nothing)), (found("ears", lambda: None, LISTENERS),)):
            async with running(*installed) as plugins, trio.open_nursery() as nursery:
                nursery.start_soon(follow_plugins, plugins, database, now_ms)

                async def remembered() -> bool:
                    return len(await recall(database)) == 2

                await until(remembered)
                nursery.cancel_scope.cancel()
        assert await recall(database) == [
            Known(name="ears", groups=LISTENERS, events=("meeting.ended",)),
            Known(name="mail", groups=NOTIFIERS, events=()),
        ]


async def test_messages_wait_for_a_notifier_that_could_not_start(tmp_path: Path) -> None:
    came: list[Notification] = []
    broken = True

    async def notify(notification: Notification) -> None:
        came.append(notification)

    def load() -> object:
        from appliance.hooks.contract import Notifier

        if broken:
            raise ImportError("broken by an upgrade")
        return plugin(opening(Notifier(notify=notify)))

    async with open_test_database(tmp_path) as database, running(found("mail", load)) as plugins:
        notices = Notices(
            settings=NotificationsSettings(), public_url="", notifiers=plugins.notifiers, now_ms=now_ms
        )
        await database.run(users.insert, rows.user("bob"))
        event = UserRegistered(user_id="usr_bob", username="bob")
        await database.run(notices.react, envelop(event, event_id="evt_1", at_ms=now_ms()))
        async with (
            working(
                database, lambda registry: add_notification_jobs(registry, database, notices, plugins, now_ms)
            ) as shop,
            trio.open_nursery() as nursery,
        ):
            nursery.start_soon(follow_plugins, plugins, database, now_ms)

            async def postponed() -> bool:
                (job,) = await database.read(jobs.page, state=None, type="notify.send", after=None, limit=9)
                return job.state == "waiting" and job.attempts == 0 and job.run_at_ms > now_ms() + 60_000

            await until(postponed)
            (kept,) = await database.read(notifications.page, "usr_bob", after=None, limit=9)
            (delivery,) = await database.read(notifications.deliveries, kept.id)
            assert (delivery.state, delivery.attempts) == ("waiting", 0)
            assert delivery.reason == "plugin mail is failed: importing: ImportError: broken by an upgrade"
            broken = False
            await plugins.enable("mail")
            await until(lambda: came)
            (job,) = await database.read(jobs.page, state=None, type="notify.send", after=None, limit=9)
            assert (await shop.wait_state(job.id, "done")).attempts == 1
            nursery.cancel_scope.cancel()
