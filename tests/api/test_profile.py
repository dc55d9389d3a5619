"""One's own account."""

from __future__ import annotations

from tests.support.api_server import PASSWORD, ApiServer


def test_fields_change_one_by_one(api: ApiServer) -> None:
    ann = api.user("ann")
    assert ann.put("/profile", {"nickname": "Ann"}).data["nickname"] == "Ann"
    assert ann.put("/profile", {"email": "ann@new.org"}).data["email"] == "ann@new.org"
    changed = ann.put("/profile", {"username": "ANN"}).data  # its own name in other letters
    assert (changed["username"], changed["nickname"], changed["email"]) == ("ANN", "Ann", "ann@new.org")
    assert ann.get("/profile").data == changed
    assert ann.put("/profile", {}).data == changed
    api.user("bob")
    assert ann.put("/profile", {"username": "Bob"}).error == "username_taken: username"
    assert ann.put("/profile", {"email": "BOB@example.org"}).error == "email_taken: email"
    assert ann.put("/profile", {"email": "x"}).error == "invalid_field: email"
    assert ann.put("/profile", {"role": "admin"}).error == "invalid_field: role"
    assert ann.get("/profile").data == changed


def test_a_new_password_ends_the_other_sessions(api: ApiServer) -> None:
    ann = api.user("changer")
    other = api.request("POST", "/auth/login", {"login": "changer", "password": PASSWORD}).data["access_token"]
    wrong = ann.post("/change-password", {"old_password": "not it", "new_password": "a new password"})
    assert (wrong.status, wrong.error) == (403, "password_wrong: old_password")
    short = ann.post("/change-password", {"old_password": PASSWORD, "new_password": "short"})
    assert short.error == "invalid_field: new_password"
    assert api.request("GET", "/profile", token=other).status == 200
    assert ann.post("/change-password", {"old_password": PASSWORD, "new_password": "a new password"}).status == 200
    assert ann.get("/profile").status == 200
    assert api.request("GET", "/profile", token=other).code == "token_revoked"
    assert ann.id in api.ledger.revoked
    assert api.request("POST", "/auth/login", {"login": "changer", "password": PASSWORD}).status == 401
    assert api.request("POST", "/auth/login", {"login": "changer", "password": "a new password"}).status == 200


def test_a_deleted_account_is_gone_and_its_meetings_stay(api: ApiServer) -> None:
    ann, bob = api.user("goner"), api.user("witness")
    meeting = ann.post("/meetings", {"title": "Stays"}).data
    assert ann.delete("/account", {"password": "not it"}).error == "password_wrong: password"
    assert ann.delete("/account").status == 415  # no body at all
    assert ann.delete("/account", {"password": PASSWORD}).status == 200
    assert ann.get("/profile").status == 401
    assert api.request("POST", "/auth/login", {"login": "goner", "password": PASSWORD}).code == "invalid_credentials"
    assert bob.get(f"/meetings/{meeting['id']}").data["creator"] is None
    assert bob.get(f"/users/{ann.id}").status == 404
    assert api.user("goner").id != ann.id


def test_the_last_administrator_stays(api: ApiServer) -> None:
    root = api.admin()
    answer = root.delete("/account", {"password": PASSWORD})
    assert (answer.status, answer.code) == (409, "last_admin")
    assert root.get("/profile").status == 200
