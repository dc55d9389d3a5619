"""Administrators see what a listener could not be told, and have it told again."""

from __future__ import annotations

import pytest

from appliance.events.catalogue import MeetingEnded
from appliance.events.envelope import envelop
from appliance.store import outbox
from appliance.store.database import Conn
from appliance.store.outbox import Failure
from tests.support.api_server import Account, ApiServer
from tests.support.meeting_rows import in_server


@pytest.fixture(scope="module")
def root(api: ApiServer) -> Account:
    return api.admin()


async def _give_up(conn: Conn, name: str, event_ids: list[str]) -> None:
    for number, event_id in enumerate(event_ids):
        event = MeetingEnded(meeting_id="mtg_a", title="Weekly", reason="ended")
        await outbox.add(conn, envelop(event, event_id=event_id, at_ms=1000 + number))
    await outbox.spread(conn, {name: {"meeting.ended"}}, 2000, 100)
    failed = [Failure(event_id=event_id, error="ConnectionError: gone", due_at_ms=None) for event_id in event_ids]
    await outbox.settle(conn, name, (), failed, (), 3000)


def test_nobody_else_may(api: ApiServer, root: Account) -> None:
    ann = api.user("curious")
    for method, path in (("GET", "/admin/deliveries"), ("POST", "/admin/deliveries/plugin.ears/evt_1/retry")):
        body = None if method == "GET" else {}
        assert (api.request(method, path, body).status, ann.call(method, path, body).code) == (401, "forbidden")


def test_what_was_given_up_is_shown_and_told_again(api: ApiServer, root: Account) -> None:
    in_server(api, _give_up, "plugin.ears", ["evt_1", "evt_2", "evt_3"])
    in_server(api, _give_up, "plugin.webhook", ["evt_4"])
    page = root.get("/admin/deliveries?subscriber=plugin.ears&limit=2").data
    assert [item["event_id"] for item in page["items"]] == ["evt_3", "evt_2"]
    rest = root.get(f"/admin/deliveries?subscriber=plugin.ears&limit=2&cursor={page['next_cursor']}").data
    assert [item["event_id"] for item in rest["items"]] == ["evt_1"] and rest["next_cursor"] is None
    (shown,) = rest["items"]
    assert (shown["type"], shown["topic"], shown["attempts"]) == ("meeting.ended", "meeting_events", 1)
    assert (shown["error"], shown["happened_at"]) == ("ConnectionError: gone", "1970-01-01T00:00:01.000Z")
    assert shown["event"]["title"] == "Weekly" and shown["given_up_at"] == "1970-01-01T00:00:03.000Z"
    assert len(root.get("/admin/deliveries").data["items"]) == 4

    path = "/admin/deliveries/plugin.ears/evt_1/retry"
    assert root.post(path).status == 200
    assert (root.post(path).status, root.post(path).error) == (404, "not_found: event_id")
    for wrong in ("/admin/deliveries/plugin.nobody/evt_2/retry", "/admin/deliveries/plugin.ears/evt_9/retry"):
        assert root.post(wrong).code == "not_found"
    left = root.get("/admin/deliveries?subscriber=plugin.ears").data["items"]
    assert [item["event_id"] for item in left] == ["evt_3", "evt_2"]
    (row,) = root.get("/admin/audit?action=admin.delivery.retry").data["items"]
    assert (row["target"], row["detail"], row["outcome"]) == ("evt_1", "plugin.ears", "ok")


@pytest.mark.parametrize("query", ["cursor=rubbish", "limit=0", "state=x"])
def test_what_is_wrong_is_named(root: Account, query: str) -> None:
    assert root.get(f"/admin/deliveries?{query}").error == f"invalid_field: {query.partition('=')[0]}"
