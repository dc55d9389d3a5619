"""Accounts by id: a card for everybody, all of it for the owner and administrators."""

from __future__ import annotations

from tests.support.api_server import ApiServer


def test_who_sees_what(api: ApiServer) -> None:
    ann, bob, root = api.user("ann"), api.user("bob"), api.admin()
    card = bob.get(f"/users/{ann.id}").data
    assert card == {"id": ann.id, "username": "ann", "nickname": "ann", "avatar_url": None}
    for reader in (ann, root):
        assert reader.get(f"/users/{ann.id}").data["email"] == "ann@example.org"
    assert bob.get("/users/usr_nobody").status == 404
    assert api.request("GET", f"/users/{ann.id}").code == "sign_in_required"


def test_who_changes_what(api: ApiServer) -> None:
    ann, bob = api.user("carl"), api.user("dora")
    root = api.request("POST", "/auth/login", {"login": "root", "password": "correct horse battery staple"}).data
    assert bob.put(f"/users/{ann.id}", {"nickname": "X"}).code == "forbidden"
    assert ann.put(f"/users/{ann.id}", {"nickname": "Carl"}).data["nickname"] == "Carl"
    by_root = api.request("PUT", f"/users/{ann.id}", {"nickname": "C."}, token=root["access_token"])
    assert by_root.data["nickname"] == "C."
    missing = api.request("PUT", "/users/usr_nobody", {"nickname": "C."}, token=root["access_token"])
    assert missing.status == 404
