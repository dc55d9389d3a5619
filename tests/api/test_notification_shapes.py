"""A kept message becomes what its reader sees, with how it fared."""

from __future__ import annotations

from appliance.api.notification_shapes import notification_view, preferences_view
from appliance.hooks.contract import Notification, Recipient
from appliance.store.notifications import Delivery, Kept, Profile


def test_a_message_shows_its_deliveries() -> None:
    message = Notification(
        id="ntf_1", kind="user.registered", recipient=Recipient(name="Ann"), title="Hi", body="Text", created_at_ms=1
    )
    kept = Kept(
        id="ntf_1",
        kind="user.registered",
        cause="evt_1",
        recipient="usr_ann",
        user_id="usr_ann",
        meeting_id=None,
        url="https://meet.example.org",
        message="{}",
        created_at_ms=1_000,
    )
    failed = Delivery(
        notification_id="ntf_1", notifier="mail", state="failed", attempts=3, reason="no", changed_at_ms=2_000
    )
    view = notification_view(kept, message, [failed])
    assert (view.title, view.url, view.created_at) == ("Hi", "https://meet.example.org", "1970-01-01T00:00:01.000Z")
    (delivery,) = view.deliveries
    assert (delivery.state, delivery.attempts, delivery.changed_at) == ("failed", 3, "1970-01-01T00:00:02.000Z")


def test_refusals_are_sorted() -> None:
    refused = {("b", "mail"), ("a", "mail")}
    view = preferences_view(Profile(locale="zh-CN"), refused, ["a", "b"], ["mail"])
    assert [one.kind for one in view.off] == ["a", "b"] and view.locale == "zh-CN"
