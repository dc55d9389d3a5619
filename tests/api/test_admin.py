"""What administrators do, and what it does to whom."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from tests.support.api_server import PASSWORD, Account, ApiServer


@pytest.fixture(scope="module")
def root(api: ApiServer) -> Iterator[Account]:
    yield api.admin()


def test_nobody_else_may(api: ApiServer, root: Account) -> None:
    ann = api.user("nosy")
    for method, path, body in (
        ("GET", "/admin/users", None),
        ("POST", f"/admin/users/{ann.id}/ban", {}),
        ("POST", f"/admin/users/{ann.id}/unban", {}),
        ("PUT", f"/admin/users/{ann.id}/role", {"role": "admin"}),
        ("DELETE", f"/admin/users/{ann.id}", None),
        ("GET", "/admin/audit", None),
        ("GET", "/stats", None),
        ("GET", "/rooms/stats", None),
    ):
        assert (api.request(method, path, body).status, ann.call(method, path, body).code) == (401, "forbidden")


def test_a_ban_takes_effect_at_once(api: ApiServer, root: Account) -> None:
    ann = api.user("banned")
    assert root.post(f"/admin/users/{ann.id}/ban", {"reason": "spam"}).data["status"] == "banned"
    assert (ann.get("/profile").status, ann.get("/profile").code) == (403, "banned")
    assert ann.id in api.ledger.revoked
    login = {"login": "banned", "password": PASSWORD}
    assert (api.request("POST", "/auth/login", login).status, api.request("POST", "/auth/login", login).code) == (
        403,
        "banned",
    )
    assert api.request("POST", "/auth/refresh", {"refresh_token": ann.refresh_token}).code == "token_revoked"
    assert root.post(f"/admin/users/{ann.id}/unban").data["status"] == "active"
    assert ann.get("/profile").code == "token_revoked"  # the sessions stay ended
    assert api.request("POST", "/auth/login", login).status == 200
    actions = root.get("/admin/audit?limit=200").data["items"]
    mine = [(row["action"], row["outcome"], row["detail"]) for row in actions if row["target"] == ann.id]
    assert mine[:2] == [("admin.user.unban", "ok", ""), ("admin.user.ban", "ok", "spam")]


def test_a_new_role_starts_with_a_new_session(api: ApiServer, root: Account) -> None:
    ann = api.user("climber")
    assert root.put(f"/admin/users/{ann.id}/role", {"role": "admin"}).data["role"] == "admin"
    assert ann.get("/profile").code == "token_revoked"
    token = api.request("POST", "/auth/login", {"login": "climber", "password": PASSWORD}).data["access_token"]
    assert api.request("GET", "/admin/users", token=token).status == 200
    assert root.put(f"/admin/users/{ann.id}/role", {"role": "user"}).data["role"] == "user"
    assert api.request("GET", "/admin/users", token=token).code == "token_revoked"
    assert root.put(f"/admin/users/{ann.id}/role", {"role": "king"}).error == "invalid_field: role"


def test_administrators_do_not_saw_off_their_branch(api: ApiServer, root: Account) -> None:
    for method, path, body in (
        ("POST", f"/admin/users/{root.id}/ban", {}),
        ("PUT", f"/admin/users/{root.id}/role", {"role": "user"}),
        ("DELETE", f"/admin/users/{root.id}", None),
    ):
        answer = root.call(method, path, body)
        assert (answer.status, answer.code) == (409, "cannot_target_self")


def test_a_deleted_account_is_gone(api: ApiServer, root: Account) -> None:
    ann = api.user("deleted")
    assert root.delete(f"/admin/users/{ann.id}").status == 200
    assert ann.get("/profile").status == 401
    assert ann.id in api.ledger.revoked
    for method, path, body in (
        ("DELETE", f"/admin/users/{ann.id}", None),
        ("POST", f"/admin/users/{ann.id}/ban", {}),
        ("PUT", f"/admin/users/{ann.id}/role", {"role": "user"}),
    ):
        assert root.call(method, path, body).status == 404


def test_users_are_searched_and_paged(api: ApiServer, root: Account) -> None:
    for n in range(5):
        api.user(f"page{n}", nickname=f"Müller {n}")
    seen: list[str] = []
    path = "/admin/users?search=MÜLLER&limit=2"
    cursor = None
    while True:
        page = root.get(quote(path, safe="/?=&") + (f"&cursor={cursor}" if cursor else "")).data
        seen += [user["username"] for user in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [f"page{n}" for n in (4, 3, 2, 1, 0)]
    assert root.get("/admin/users?role=admin").data["items"][-1]["username"] == "root"
    for query, field in (
        ("limit=0", "limit"),
        ("limit=201", "limit"),
        ("limit=x", "limit"),
        ("cursor=rubbish", "cursor"),
        ("status=odd", "status"),
        ("serach=x", "serach"),
    ):
        assert root.get(f"/admin/users?{query}").error == f"invalid_field: {field}"
