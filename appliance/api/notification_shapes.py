"""What answers about notifications hold. See `shapes`."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.api.shapes import Shape
from appliance.api.times import to_text
from appliance.hooks.contract import Notification
from appliance.store.notifications import Delivery, DeliveryState, Kept, Locale, Profile


class DeliveryView(Shape, frozen=True, kw_only=True):
    """How a notification fares with one notifier."""

    notifier: str
    state: DeliveryState
    attempts: int
    reason: str | None
    """Of the last attempt that failed, or why none is made."""
    changed_at: str


class NotificationView(Shape, frozen=True, kw_only=True):
    id: str
    kind: str
    title: str
    body: str
    url: str | None
    created_at: str
    deliveries: list[DeliveryView]


class Refusal(Shape, frozen=True, kw_only=True):
    """Something that is not wanted."""

    kind: str
    notifier: str


class Preferences(Shape, frozen=True, kw_only=True):
    locale: Locale
    time_zone: str
    off: list[Refusal]
    kinds: list[str]
    """What there is to be told of."""
    notifiers: list[str]
    """By whom, on this server."""


def notification_view(kept: Kept, message: Notification, deliveries: Sequence[Delivery]) -> NotificationView:
    """One notification with its deliveries."""
    return NotificationView(
        id=kept.id,
        kind=kept.kind,
        title=message.title,
        body=message.body,
        url=kept.url,
        created_at=to_text(kept.created_at_ms),
        deliveries=[
            DeliveryView(
                notifier=delivery.notifier,
                state=delivery.state,
                attempts=delivery.attempts,
                reason=delivery.reason,
                changed_at=to_text(delivery.changed_at_ms),
            )
            for delivery in deliveries
        ],
    )


def preferences_view(
    profile: Profile, refused: set[tuple[str, str]], kinds: Sequence[str], notifiers: Sequence[str]
) -> Preferences:
    """Somebody's preferences, and what there is to choose from."""
    return Preferences(
        locale=profile.locale,
        time_zone=profile.time_zone,
        off=[Refusal(kind=kind, notifier=notifier) for kind, notifier in sorted(refused)],
        kinds=list(kinds),
        notifiers=list(notifiers),
    )
