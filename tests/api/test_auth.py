"""Sign up, in and out, and everything that must not sign anybody in."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import jwt
import pytest

from appliance.api.sign_in import MAX_SESSIONS
from appliance.settings import AuthSettings
from tests.support.api_server import PASSWORD, ApiServer, Reply, serving, settings_for
from tests.support.cookies import Browser


def login(api: ApiServer, name: str, password: str = PASSWORD) -> Reply:
    return api.request("POST", "/auth/login", {"login": name, "password": password})


def test_register_then_sign_in_by_name_and_by_address(api: ApiServer) -> None:
    body = {"username": "Ann.1", "email": "Ann@Example.org", "password": PASSWORD, "nickname": "  Ann 安 "}
    data = api.request("POST", "/auth/register", body).data
    user = data["user"]
    assert user["username"] == "Ann.1" and user["email"] == "Ann@Example.org" and user["nickname"] == "Ann 安"
    assert user["role"] == "user" and user["status"] == "active" and user["avatar_url"] is None
    assert user["created_at"].endswith("Z") and user["last_login_at"] == user["created_at"]
    assert data["access_expires_in_s"] == 86_400 and data["refresh_expires_in_s"] == 604_800
    for name in ("ann.1", "ANN.1", "ann@example.org"):
        again = api.request("POST", "/auth/login", {"login": name, "password": PASSWORD}).data
        assert again["user"]["id"] == user["id"]
        assert api.request("GET", "/profile", token=again["access_token"]).data["id"] == user["id"]


def test_old_names_do_the_same(api: ApiServer) -> None:
    body = {"username": "alias", "email": "alias@example.org", "password": PASSWORD}
    assert api.request("POST", "/register", body).status == 200
    data = api.request("POST", "/login", {"login": "alias", "password": PASSWORD}).data
    assert api.request("POST", "/refresh-token", {"refresh_token": data["refresh_token"]}).status == 200


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"username": "x"}, "username"),
        ({"username": "a b"}, "username"),
        ({"username": "a@b"}, "username"),
        ({"username": "x" * 51}, "username"),
        ({"username": "<b>bold</b>"}, "username"),
        ({"username": 7}, "username"),
        ({"username": None}, "username"),
        ({"email": "no address"}, "email"),
        ({"email": "a@b@c"}, "email"),
        ({"email": "x" * 95 + "@b.org"}, "email"),
        ({"email": "a@b.org\nBcc: c@d.org"}, "email"),
        ({"password": "short"}, "password"),
        ({"password": "x" * 1025}, "password"),
        ({"nickname": "a\u202eb"}, "nickname"),
        ({"nickname": "a\x1b[31mb"}, "nickname"),
        ({"nickname": " "}, "nickname"),
        ({"nickname": "x" * 81}, "nickname"),
        ({"session": "jar"}, "session"),
        ({"role": "admin"}, "role"),
    ],
)
def test_what_is_wrong_is_named(api: ApiServer, changes: dict[str, object], field: str) -> None:
    body = {"username": "fine", "email": "fine@example.org", "password": PASSWORD, **changes}
    answer = api.request("POST", "/auth/register", body)
    assert answer.status == 400
    assert answer.error == f"invalid_field: {field}"


def test_names_and_addresses_are_taken_whatever_their_case(api: ApiServer) -> None:
    api.user("taken")
    same_name = {"username": "TAKEN", "email": "else@example.org", "password": PASSWORD}
    answer = api.request("POST", "/auth/register", same_name)
    assert (answer.status, answer.error) == (409, "username_taken: username")
    same_address = {"username": "else", "email": "TAKEN@example.org", "password": PASSWORD}
    answer = api.request("POST", "/auth/register", same_address)
    assert (answer.status, answer.error) == (409, "email_taken: email")


def test_a_wrong_password_and_an_unknown_name_look_alike(api: ApiServer) -> None:
    api.user("careful")
    wrong = api.request("POST", "/auth/login", {"login": "careful", "password": "something else"})
    unknown = api.request("POST", "/auth/login", {"login": "nobody at all", "password": "something else"})
    assert wrong.status == unknown.status == 401
    assert wrong.code == unknown.code == "invalid_credentials"
    assert wrong.json["message"] == unknown.json["message"]


def test_signing_out_ends_the_session_at_once(api: ApiServer) -> None:
    account = api.user("leaver")
    assert account.post("/auth/logout").status == 200
    assert (account.get("/profile").status, account.get("/profile").code) == (401, "token_revoked")
    answer = api.request("POST", "/auth/refresh", {"refresh_token": account.refresh_token})
    assert (answer.status, answer.code) == (401, "token_revoked")


def test_a_refresh_token_works_once_and_its_reuse_ends_the_family(api: ApiServer) -> None:
    account = api.user("rotator")
    first = api.request("POST", "/auth/refresh", {"refresh_token": account.refresh_token}).data
    assert first["refresh_token"] != account.refresh_token
    assert api.request("GET", "/profile", token=first["access_token"]).status == 200
    reused = api.request("POST", "/auth/refresh", {"refresh_token": account.refresh_token})
    assert (reused.status, reused.code) == (401, "token_reused")
    assert api.request("GET", "/profile", token=first["access_token"]).code == "token_revoked"
    newest = api.request("POST", "/auth/refresh", {"refresh_token": first["refresh_token"]})
    assert newest.code == "token_revoked"
    assert account.id in api.ledger.revoked
    assert login(api, "rotator").status == 200


def test_tokens_expire(api: ApiServer) -> None:
    account = api.user("sleeper")
    try:
        api.clock.ahead_ms = 86_400_000
        assert (account.get("/profile").status, account.get("/profile").code) == (401, "token_expired")
        fresh = api.request("POST", "/auth/refresh", {"refresh_token": account.refresh_token}).data
        api.clock.ahead_ms += 604_800_000
        late = api.request("POST", "/auth/refresh", {"refresh_token": fresh["refresh_token"]})
        assert (late.status, late.code) == (401, "token_expired")
    finally:
        api.clock.ahead_ms = 0


def test_an_access_token_is_no_refresh_token_nor_the_other_way(api: ApiServer) -> None:
    account = api.user("mixer")
    assert api.request("POST", "/auth/refresh", {"refresh_token": account.token}).code == "token_invalid"
    assert api.request("GET", "/profile", token=account.refresh_token).code == "token_invalid"
    assert api.request("POST", "/auth/refresh", {}).code == "token_invalid"


def test_forged_tokens_are_refused(api: ApiServer) -> None:
    account = api.user("forger")
    head, body, signature = account.token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    for algorithm in ("none", "RS256", "HS512"):
        forged = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "JWT"}).encode()).rstrip(b"=").decode()
        for end in ("", signature):
            assert api.request("GET", "/profile", token=f"{forged}.{body}.{end}").code == "token_invalid"
    guessed = jwt.encode({**claims, "aud": "access"}, "x" * 32, algorithm="HS256", headers={"kid": "../../dev/null"})
    assert api.request("GET", "/profile", token=guessed).status == 401
    for header in ("Basic YTpi", "Bearer", "Bearer ", f"Token {account.token}", f"{head}.{body}.{signature}"):
        answer = api.request("GET", "/profile", headers={"Authorization": header})
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_cookies_carry_a_session_that_scripts_cannot_read(api: ApiServer) -> None:
    api.user("baker")
    browser = Browser(api)
    data = browser.post("/auth/login", {"login": "baker", "password": PASSWORD, "session": "cookie"}).data
    assert set(data) == {"user", "csrf_token", "access_expires_in_s"}
    for line in browser.set_cookie_lines:
        assert "HttpOnly" in line and "SameSite=Lax" in line and "Path=/api/v1" in line and "Secure" not in line
    assert browser.get("/profile").data["username"] == "baker"
    assert browser.get("/csrf-token").data["csrf_token"] == data["csrf_token"]
    # A cookie write needs the token …
    assert browser.put("/profile", {"nickname": "B"}).code == "csrf_failed"
    assert browser.put("/profile", {"nickname": "B"}, csrf="0" * 64).code == "csrf_failed"
    assert browser.put("/profile", {"nickname": "B"}, csrf=data["csrf_token"]).data["nickname"] == "B"
    # … and may not come from elsewhere, even with it.
    for headers in ({"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}):
        answer = browser.put("/profile", {"nickname": "C"}, csrf=data["csrf_token"], headers=headers)
        assert (answer.status, answer.code) == (403, "csrf_failed")
    own = {"Origin": api.url, "Sec-Fetch-Site": "same-origin"}
    assert browser.put("/profile", {"nickname": "D"}, csrf=data["csrf_token"], headers=own).status == 200
    # A cookie's token is not good as a bearer token.
    stolen = browser.jar["parley_access"]
    assert api.request("GET", "/profile", token=stolen).code == "token_revoked"


def test_cookie_sessions_rotate_and_end(api: ApiServer) -> None:
    api.user("cookie")
    browser = Browser(api)
    browser.post("/auth/login", {"login": "cookie", "password": PASSWORD, "session": "cookie"})
    before = dict(browser.jar)
    data = browser.post("/auth/refresh", {}).data
    assert browser.jar["parley_refresh"] != before["parley_refresh"]
    # A second tab that woke at the same moment is not a thief.
    other_tab = Browser(api, jar=before)
    assert other_tab.post("/auth/refresh", {}).status == 200
    csrf = data["csrf_token"]
    assert browser.post("/auth/logout", {}, csrf=csrf).status == 200
    assert browser.jar == {}
    assert other_tab.get("/profile").status == 401


def test_signing_in_from_another_site_is_refused(api: ApiServer) -> None:
    api.user("victim")
    body = {"login": "victim", "password": PASSWORD, "session": "cookie"}
    answer = api.request("POST", "/auth/login", body, headers={"Origin": "https://evil.example"})
    assert (answer.status, answer.code) == (403, "csrf_failed")


def test_a_hoard_of_sessions_loses_its_oldest(api: ApiServer) -> None:
    account = api.user("hoarder")
    for _ in range(MAX_SESSIONS):
        assert login(api, "hoarder").status == 200
    assert account.get("/profile").code == "token_revoked"


def test_closed_registration(tmp_path: Path) -> None:
    closed = AuthSettings(registration="closed", argon2_memory_kib=8192, argon2_passes=1, argon2_lanes=1)
    with serving(settings_for(tmp_path, auth=closed)) as server:
        body = {"username": "ann", "email": "a@b.org", "password": PASSWORD}
        assert server.request("POST", "/auth/register", body).code == "registration_closed"
        assert server.request("GET", "/info").data["registration"] == "closed"


def test_every_sign_in_is_in_the_audit_log(api: ApiServer) -> None:
    root = api.admin("auditor")
    api.user("watched")
    api.request("POST", "/auth/login", {"login": "watched", "password": "wrong password"})
    api.request("POST", "/auth/login", {"login": "no such\tname", "password": "wrong password"})
    api.request("POST", "/auth/login", {"login": "watched", "password": PASSWORD})
    newest = root.get("/admin/audit?action=auth.login&limit=3").data["items"]
    assert [(row["actor_name"], row["outcome"]) for row in newest] == [
        ("watched", "ok"),
        ("no such\tname", "invalid_credentials"),
        ("watched", "invalid_credentials"),
    ]
    assert all(row["address"] == "127.0.0.1" and row["request_id"].startswith("req_") for row in newest)
