"""The first administrator, once."""

from __future__ import annotations

from pathlib import Path

from tests.support.api_server import PASSWORD, SETUP_TOKEN, ApiServer, serving, settings_for


def body(name: str, token: str = SETUP_TOKEN) -> dict[str, str]:
    return {"username": name, "email": f"{name}@example.org", "password": PASSWORD, "token": token}


def test_the_link_makes_one_administrator(api: ApiServer) -> None:
    assert api.request("GET", "/setup").data == {"needed": True}
    assert api.request("GET", "/info").data["setup_needed"] is True
    wrong = api.request("POST", "/setup", body("eve", "guess"))
    assert (wrong.status, wrong.error) == (403, "setup_token_wrong: token")
    assert api.request("POST", "/setup", {**body("root"), "password": "short"}).error == "invalid_field: password"
    data = api.request("POST", "/setup", body("root")).data
    assert data["user"]["role"] == "admin"
    assert api.request("GET", "/setup").data == {"needed": False}
    again = api.request("POST", "/setup", body("second"))
    assert (again.status, again.code) == (409, "setup_done")


def test_an_administrator_made_by_other_means_voids_the_link(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with serving(settings) as server:
        server.admin()
    with serving(settings) as server:
        assert server.request("POST", "/setup", body("eve")).code == "setup_done"
        assert server.request("GET", "/setup").data == {"needed": False}
        assert server.request("POST", "/setup", body("eve")).code == "setup_done"


def test_no_link_no_setup(tmp_path: Path) -> None:
    with serving(settings_for(tmp_path), setup_token=None) as server:
        assert server.request("GET", "/setup").data == {"needed": False}
        assert server.request("POST", "/setup", body("eve")).code == "setup_done"
