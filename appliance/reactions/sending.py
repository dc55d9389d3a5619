"""Messages on their way: each delivery is a job that asks one notifier.

Owns what becomes of a delivery: sent, failed for good, or tried again with the queue's pauses; its history says why.
Refuses to choose who is told (`notices`) and to know how a notifier works.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

import msgspec

from appliance.hooks.contract import Notification, TryLater, Undeliverable
from appliance.hooks.dispatch import NotCalledError
from appliance.jobs.places import JobContext, TryAgainError
from appliance.jobs.registry import Registry
from appliance.reactions.notices import REMIND, SEND, TELL, Notices, Reminding, Sending, Telling
from appliance.store import notifications
from appliance.store.database import Conn, Database
from appliance.store.notifications import Delivery, DeliveryState, Kept

# While a notifier is off on this node: another one may have it, and one that comes back is noticed by `returning`.
_LOOK_AGAIN_S = 300.0
# What the history remembers of a reason.
_REASON_CHARACTERS = 500


class Notifying(Protocol):
    """`hooks.running.Plugins`, as far as it is needed."""

    def notifiers(self) -> Sequence[str]: ...
    def notify(self, name: str, notification: Notification) -> Awaitable[None]: ...


def add_notification_jobs(
    registry: Registry, database: Database, notices: Notices, plugins: Notifying, now_ms: Callable[[], int]
) -> None:
    """Bind `notices.SEND`, `notices.REMIND` and `notices.TELL`."""

    async def send(context: JobContext, payload: Sending) -> str:
        return await _send(database, plugins, now_ms, context, payload)

    async def remind(_context: JobContext, payload: Reminding) -> int:
        return await database.run(notices.remind, payload)

    async def tell(_context: JobContext, payload: Telling) -> int:
        return await database.run(notices.tell, payload)

    registry.task(SEND, send)
    registry.task(TELL, tell)
    registry.task(REMIND, remind)


async def _send(
    database: Database, plugins: Notifying, now_ms: Callable[[], int], context: JobContext, payload: Sending
) -> str:
    kept = await database.read(_waiting, payload)
    if kept is None:
        return "nothing to send"

    note = partial(_note, database, payload, context.attempt, now_ms)
    if payload.notifier not in plugins.notifiers():
        await note("failed", "this notifier is not enabled any more")
        return "no such notifier"
    try:
        await plugins.notify(payload.notifier, msgspec.json.decode(kept.message, type=Notification))
    except Undeliverable as error:
        await note("failed", error.reason)
        return f"undeliverable: {error.reason}"
    except NotCalledError as error:  # waits without counting, however long the plugin is off; see `returning`
        await _note(database, payload, context.attempt - 1, now_ms, "waiting", error.reason)
        raise TryAgainError(error.reason, _LOOK_AGAIN_S, counts=False) from None
    except Exception as error:  # `TryLater`, whatever the plugin did: the queue tries again, and keeps it in the end
        last = context.attempt >= context.max_attempts
        await note("failed" if last else "waiting", str(error) or type(error).__name__)
        if isinstance(error, TryLater):
            raise TryAgainError(error.reason, error.after_s) from error
        raise
    await note("sent", None)
    return "sent"


async def _waiting(conn: Conn, payload: Sending) -> Kept | None:
    """The message, unless it has reached its end with this notifier, or was forgotten."""
    for delivery in await notifications.deliveries(conn, payload.notification_id):
        if delivery.notifier == payload.notifier and delivery.state == "waiting":
            return await notifications.by_id(conn, payload.notification_id)
    return None


async def _note(
    database: Database,
    payload: Sending,
    attempt: int,
    now_ms: Callable[[], int],
    state: DeliveryState,
    reason: str | None,
) -> None:
    delivery = Delivery(
        notification_id=payload.notification_id,
        notifier=payload.notifier,
        state=state,
        attempts=attempt,
        reason=None if reason is None else reason[:_REASON_CHARACTERS],
        changed_at_ms=now_ms(),
    )
    await database.run(notifications.set_delivery, delivery)
