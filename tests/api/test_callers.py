"""Whom an access token speaks for, while its session lasts."""

from __future__ import annotations

from tests.support.api_server import ApiServer


def test_a_token_speaks_for_its_account_until_the_session_ends(api: ApiServer) -> None:
    ann = api.user("ann-caller")
    assert ann.get("/profile").data["id"] == ann.id
    # a session of bearer tokens is no cookie's
    cookie = api.request("GET", "/profile", headers={"Cookie": f"parley_access={ann.token}"})
    assert cookie.code == "token_revoked"
    assert ann.post("/auth/logout").status == 200
    assert (ann.get("/profile").status, ann.get("/profile").code) == (401, "token_revoked")


def test_a_banned_account_is_told_so(api: ApiServer) -> None:
    root, bob = api.admin("root-callers"), api.user("bob-caller")
    assert root.post(f"/admin/users/{bob.id}/ban", {"reason": "spam"}).status == 200
    answer = bob.get("/profile")
    assert (answer.status, answer.code) == (403, "banned")
