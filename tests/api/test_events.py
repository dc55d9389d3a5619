"""What people do over HTTP is an event, in the transaction that makes it so: its type, its order, and what it says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from appliance.events.envelope import Envelope, decode
from appliance.store.database import Conn
from tests.support.api_server import NO_LIMITS, PASSWORD, ApiServer, serving, settings_for
from tests.support.meeting_rows import in_server


async def _kept(conn: Conn, order_key: str) -> list[Envelope]:
    rows = await conn.fetch("SELECT envelope FROM events WHERE order_key = $1 ORDER BY n", order_key)
    return [decode(row["envelope"]) for row in rows]


def told(api: ApiServer, order_key: str) -> list[Any]:
    """Events of a meeting or an account, in their order; the audit log's are `test_audit_log`'s."""
    kept = in_server(api, _kept, order_key)
    return [envelope.event for envelope in kept if envelope.topic != "audit_events"]


def types(api: ApiServer, order_key: str) -> list[str]:
    return [event.event_type for event in told(api, order_key)]


def test_the_life_of_an_account(api: ApiServer) -> None:
    root, ann = api.admin(), api.user("told_ann")
    login = {"login": "told_ann", "password": PASSWORD}
    api.request("POST", "/auth/login", {**login, "password": "wrong wrong"})
    assert api.request("POST", "/auth/login", login).status == 200
    root.post(f"/admin/users/{ann.id}/ban", {"reason": "spam"})
    root.post(f"/admin/users/{ann.id}/ban", {"reason": "again"})  # changes nothing
    root.post(f"/admin/users/{ann.id}/unban")
    root.put(f"/admin/users/{ann.id}/role", {"role": "admin"})
    root.call("DELETE", f"/admin/users/{ann.id}")
    events = told(api, ann.id)
    assert [event.event_type for event in events] == [
        "user.registered", "user.logged_in", *["user.status_changed"] * 4,
    ]  # fmt: skip
    assert events[1].new_address is False
    assert [(event.status, event.role) for event in events[2:]] == [
        ("banned", "user"), ("active", "user"), ("active", "admin"), ("deleted", "admin"),
    ]  # fmt: skip
    assert all(event.by_user_id == root.id for event in events[2:])


def test_a_sign_in_from_another_network_says_so(api: ApiServer) -> None:
    ben = api.user("told_ben")

    async def elsewhere(conn: Conn) -> None:
        await conn.execute("UPDATE sessions SET address = '203.0.113.9' WHERE user_id = $1", ben.id)

    in_server(api, elsewhere)
    api.request("POST", "/auth/login", {"login": "told_ben", "password": PASSWORD})
    assert told(api, ben.id)[-1].new_address is True
    api.request("POST", "/auth/login", {"login": "told_ben", "password": PASSWORD})
    assert told(api, ben.id)[-1].new_address is False


def test_the_life_of_a_meeting(api: ApiServer) -> None:
    ann, ben = api.user("told_cat"), api.user("told_dan")
    plan = {"title": "Plan", "start_time": "2030-01-01T10:00:00Z", "end_time": "2030-01-01T11:00:00Z"}
    meeting = ann.post("/meetings", plan).data
    path = f"/meetings/{meeting['id']}"
    ann.put(path, {"title": "Plan B"})
    invitation = {"emails": ["guest@example.org"], "user_ids": [ben.id]}
    ann.post(f"{path}/invite", invitation)
    ann.post(f"{path}/invite", invitation)  # known already
    ann.post(f"{path}/join", {})
    ann.post(f"{path}/join", {})
    ann.post(f"{path}/end")
    events = told(api, meeting["id"])
    assert [event.event_type for event in events] == [
        "meeting.created", "meeting.updated", "meeting.invited", "meeting.invited", "meeting.started", "meeting.ended",
    ]  # fmt: skip
    created, updated, first, second, started, ended = events
    assert (created.title, created.creator_id, created.start_at_ms) == ("Plan", ann.id, 1893492000000)
    assert (updated.title, updated.changed, updated.end_at_ms) == ("Plan B", ("title",), 1893495600000)
    invited = {(event.user_id, event.email) for event in (first, second)}
    assert invited == {(ben.id, None), (None, "guest@example.org")}
    assert (started.title, ended.title, ended.reason) == ("Plan B", "Plan B", "ended")


@pytest.mark.parametrize(("joined", "last"), [(False, "meeting.cancelled"), (True, "meeting.ended")])
def test_a_meeting_that_is_deleted(api: ApiServer, joined: bool, last: str) -> None:
    ann = api.user(f"told_eve_{joined}".lower())
    meeting = ann.post("/meetings", {"title": "Gone"}).data
    if joined:
        ann.post(f"/meetings/{meeting['id']}/join", {})
    ann.call("DELETE", f"/meetings/{meeting['id']}")
    assert types(api, meeting["id"])[-1] == last


def test_invitations_of_one_account_are_limited(tmp_path: Path) -> None:
    settings = settings_for(tmp_path, limits=structs.replace(NO_LIMITS, invitations_per_hour=3))
    with serving(settings) as server:
        ann, ben = server.user("relay_ann"), server.user("relay_ben")
        path = f"/meetings/{ann.post('/meetings', {'title': 'x'}).data['id']}/invite"
        assert ann.post(path, {"emails": ["a@example.org", "b@example.org"]}).data["invited"] == 2
        refused = ann.post(path, {"emails": ["c@example.org", "d@example.org"]})
        assert (refused.status, refused.code) == (429, "rate_limited")
        path = f"/meetings/{ben.post('/meetings', {'title': 'x'}).data['id']}/invite"
        assert ben.post(path, {"emails": ["c@example.org"]}).data["invited"] == 1


def test_what_is_refused_is_no_event(api: ApiServer) -> None:
    ann, ben = api.user("told_fay"), api.user("told_gus")
    meeting = ann.post("/meetings", {"title": "Mine"}).data
    assert ben.put(f"/meetings/{meeting['id']}", {"title": "Yours"}).status == 403
    assert ben.post(f"/meetings/{meeting['id']}/end").status == 403
    assert types(api, meeting["id"]) == ["meeting.created"]
