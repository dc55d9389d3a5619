"""People whom a plugin knows sign in; Parley's own accounts never depend on it, and nobody learns which there are."""

from __future__ import annotations

import logging
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
import trio

from appliance.hooks.contract import Authenticator, Credentials, Identity, TryLater, Undeliverable
from appliance.settings import PluginsSettings
from tests.support.api_server import PASSWORD, Account, ApiServer, Reply, serving, settings_for
from tests.support.plugins import found, opening, plugin
from tests.support.postgres import Postgres

GROUP = ("parley.authentication",)
SECRET = "the directory's secret"


@dataclass
class Directory:
    """An authenticator whose people and moods tests change."""

    people: dict[str, Identity] = field(default_factory=dict)
    asked: list[Credentials] = field(default_factory=list)
    mood: Any = None
    """What it does in place of an answer."""
    takes_s: float = 0.0

    async def authenticate(self, credentials: Credentials) -> Any:
        self.asked.append(credentials)
        await trio.sleep(self.takes_s)
        if isinstance(self.mood, BaseException):
            raise self.mood
        if self.mood is not None:
            return self.mood
        known = self.people.get(credentials.login)
        return known if credentials.password == SECRET else None


@dataclass
class World:
    """A server with two directories, asked one after the other."""

    server: ApiServer
    first: Directory
    second: Directory
    root: Account

    def sign_in(self, login: str, password: str = SECRET) -> Reply:
        return self.server.request("POST", "/auth/login", {"login": login, "password": password})

    def signed_in(self, login: str) -> Account:
        data = self.sign_in(login).data
        return Account(self.server, data["user"]["id"], data["access_token"], data["refresh_token"])

    def audited(self, count: int = 1) -> list[tuple[str, str, str, str]]:
        """Newest rows: who, what, how, detail."""
        rows = self.root.get(f"/admin/audit?limit={count}").data["items"]
        return [(row["actor_name"], row["action"], row["outcome"], row["detail"]) for row in rows]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def served(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    url = ""
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.new_database()
    directories = Directory(), Directory()

    def one(name: str, directory: Directory) -> Any:
        hook = Authenticator(authenticate=directory.authenticate)
        return found(name, lambda: plugin(opening(hook)), GROUP)

    settings = settings_for(
        tmp_path_factory.mktemp("external"),
        url,
        plugins=PluginsSettings(enabled=("second", "first"), max_failures=1000, call_deadline_s=0.5),
    )
    # the order of plugins.enabled, not of the names or of being found
    installed = one("first", directories[1]), one("second", directories[0])
    with serving(settings, discover=lambda: installed) as server:
        yield World(server, *directories, root=server.admin())


@pytest.fixture
def world(served: World) -> World:
    for directory in (served.first, served.second):
        directory.people, directory.asked, directory.mood, directory.takes_s = {}, [], None, 0.0
    return served


def person(name: str, **other: Any) -> Identity:
    fields = {"subject": f"id-{name}", "username": name, "email": f"{name}@corp.example", "display_name": name.title()}
    return Identity(**{**fields, **other})


def test_a_first_sign_in_makes_an_account_and_the_next_finds_it(world: World) -> None:
    world.first.people["ada"] = person("ada", display_name="Ada L.")
    data = world.sign_in("ada").data
    user = data["user"]
    assert (user["username"], user["email"], user["nickname"]) == ("ada", "ada@corp.example", "Ada L.")
    assert (user["role"], user["status"], user["has_password"]) == ("user", "active", False)
    assert sorted(world.audited(2)) == [
        ("ada", "auth.login", "ok", "by second"),
        ("ada", "auth.register", "ok", "by second"),
    ]
    assert world.server.request("GET", "/profile", token=data["access_token"]).data["id"] == user["id"]
    assert world.sign_in("ada").data["user"]["id"] == user["id"]
    (one, two) = world.first.asked
    assert (one.login, one.password, one.address) == ("ada", SECRET, "127.0.0.1") and two == one
    assert world.second.asked == []  # who says yes first decides
    assert world.sign_in("ada", "wrong").code == "invalid_credentials"
    assert len(world.second.asked) == 1


def test_parleys_own_accounts_come_first_and_need_nobody(world: World) -> None:
    world.server.user("own")
    world.first.people["own"] = person("own")
    for mood in (None, LookupError("lost"), TryLater("away"), person("own"), "rubbish"):
        world.first.mood = world.second.mood = mood
        answer = world.sign_in("own", PASSWORD)
        assert answer.data["user"]["has_password"] is True
    assert world.first.asked == world.second.asked == []
    # another person of that name does not get in, and its password goes nowhere
    world.first.mood = world.second.mood = None
    assert world.sign_in("own").code == "invalid_credentials"
    for asked in (*world.first.asked, *world.second.asked):
        assert asked.login.startswith("nobody-") and SECRET not in asked.password
    world.first.mood = person("own")  # not even one that says yes to anything
    assert world.sign_in("own").code == "invalid_credentials"


def test_an_account_follows_what_its_plugin_says(world: World) -> None:
    world.first.people["bea"] = person("bea")
    bea = world.signed_in("bea")
    assert bea.put("/profile", {"nickname": "Queen Bea"}).status == 200
    assert bea.get("/profile").data["nickname"] == "Queen Bea"
    world.first.people["bea"] = person("bea", username="beatrix", email="b@corp.example")
    after = world.sign_in("bea").data["user"]
    assert (after["id"], after["username"], after["email"]) == (bea.id, "beatrix", "b@corp.example")
    assert after["nickname"] == "Queen Bea"  # what was changed here stays until it changes there
    world.first.people["bea"] = person("bea", username="beatrix", email="b@corp.example", display_name="B.")
    assert world.sign_in("bea").data["user"]["nickname"] == "B."
    # the same name of another plugin is another person
    world.second.people["other-bea"] = person("bea", username="bea2", email="bea2@corp.example")
    assert world.sign_in("other-bea").data["user"]["id"] != bea.id


def test_what_another_account_has_is_not_taken_over(world: World) -> None:
    world.server.user("cyn")
    world.first.people["cyn@corp.example"] = person("cyn")
    refused = world.sign_in("cyn@corp.example")
    assert (refused.status, refused.error) == (409, "account_conflict: username")
    assert world.audited() == [("cyn", "auth.login", "username_taken", "by second")]
    world.first.people["c"] = person("c9", email="CYN@example.org")
    assert world.sign_in("c").error == "account_conflict: email"
    # nor later on: the account keeps what it has, and takes the name once it is free
    world.first.people["dan"] = person("dan")
    dan = world.signed_in("dan")
    world.first.people["dan"] = person("dan", username="cyn", email="dan@new.example")
    after = world.sign_in("dan").data["user"]
    assert (after["id"], after["username"], after["email"]) == (dan.id, "dan", "dan@new.example")
    assert world.audited() == [("dan", "auth.login", "ok", "by second; username_taken")]
    cyn = world.sign_in("cyn", PASSWORD).data
    assert world.server.request("PUT", "/profile", {"username": "cyn2"}, token=cyn["access_token"]).status == 200
    assert world.sign_in("dan").data["user"]["username"] == "cyn"


def test_roles_follow_where_the_plugin_has_them(world: World) -> None:
    world.first.people["eve"] = person("eve")
    eve = world.signed_in("eve")
    assert world.root.put(f"/admin/users/{eve.id}/role", {"role": "admin"}).status == 200
    assert world.sign_in("eve").data["user"]["role"] == "admin"  # no role: left to administrators
    old = world.signed_in("eve")
    world.first.people["eve"] = person("eve", role="user")
    assert world.sign_in("eve").data["user"]["role"] == "user"
    assert world.audited() == [("eve", "auth.login", "ok", "by second; role user")]
    assert old.get("/profile").code == "token_revoked"  # no old right lives on
    assert eve.id in world.server.ledger.revoked
    world.second.people["fay"] = person("fay", role="admin")
    assert world.sign_in("fay").data["user"]["role"] == "admin"


def test_the_last_administrator_stays_one(world: World) -> None:
    world.first.people["gil"] = person("gil", role="admin")
    gil = world.signed_in("gil")
    others = [
        user["id"] for user in world.root.get("/admin/users?role=admin&status=active").data["items"]
        if user["id"] != gil.id
    ]  # fmt: skip
    try:
        for other in others:
            assert gil.post(f"/admin/users/{other}/ban").status == 200
        world.first.people["gil"] = person("gil", role="user")
        assert world.sign_in("gil").data["user"]["role"] == "admin"
    finally:
        for other in others:
            assert gil.post(f"/admin/users/{other}/unban").status == 200
    world.root = Account(world.server, world.root.id, world.sign_in("root", PASSWORD).data["access_token"], "")
    assert ("gil", "auth.login", "ok", "by second; last_admin") in world.audited(20)


def test_a_banned_one_stays_out_and_a_deleted_one_begins_anew(world: World) -> None:
    world.first.people["hal"] = person("hal")
    hal = world.signed_in("hal")
    world.root.post(f"/admin/users/{hal.id}/ban", {"reason": "x"})
    answer = world.sign_in("hal")
    assert (answer.status, answer.code) == (403, "banned")
    assert world.audited() == [("hal", "auth.login", "banned", "by second")]
    world.root.delete(f"/admin/users/{hal.id}", {})
    assert world.sign_in("hal").data["user"]["id"] != hal.id


def test_whom_the_plugin_refuses_is_told_as_anybody(world: World) -> None:
    world.first.mood = Undeliverable("the account has expired")
    world.second.people["ida"] = person("ida")
    answer = world.sign_in("ida")
    assert (answer.status, answer.code) == (401, "invalid_credentials")
    assert world.audited() == [("ida", "auth.login", "refused", "by second: the account has expired")]
    assert world.second.asked == []


@pytest.mark.parametrize("mood", [TryLater("no route to it"), LookupError("lost"), "rubbish", trio.TooSlowError()])
def test_one_that_is_away_costs_its_own_people_only(world: World, mood: Any) -> None:
    world.server.services.plugins.status("first")
    world.first.mood = mood
    world.second.people["jon"] = person("jon")
    assert world.sign_in("jon").status == 200  # the other one knows
    answer = world.sign_in("kim")
    assert (answer.status, answer.code) == (503, "sign_in_unavailable")
    assert answer.headers["Retry-After"]
    assert world.audited() == [("kim", "auth.login", "unavailable", "")]
    # a wrong password to an account of Parley's own says the same
    answer = world.sign_in("root", "wrong")
    assert (answer.status, answer.code) == (503, "sign_in_unavailable")
    assert world.sign_in("root", PASSWORD).status == 200


def test_one_that_hangs_is_cut_off(world: World) -> None:
    world.first.takes_s = 60
    began = time.monotonic()
    assert world.sign_in("kim").code == "sign_in_unavailable"
    assert 0.4 < time.monotonic() - began < 3
    assert world.sign_in("root", PASSWORD).status == 200


@pytest.mark.parametrize(
    "other",
    [{"username": "a b"}, {"username": "<b>x</b>"}, {"email": "no address"}, {"display_name": "a\u202eb"}],
)
def test_an_identity_that_cannot_be_used_is_named(world: World, other: dict[str, str]) -> None:
    world.first.people["lea"] = person("lea", **other)
    answer = world.sign_in("lea")
    assert (answer.status, answer.code) == (502, "identity_unusable")
    who, action, outcome, detail = world.audited()[0]
    assert (who, action, outcome) == ("lea", "auth.login", "unusable") and detail.startswith("by second: ")


@pytest.mark.parametrize(
    ("login", "password"), [("ann", ""), ("", "x"), ("an\nn", "x"), ("ann", "a\0b"), ("ann", "界" * 350)]
)
def test_nobody_is_asked_what_the_contract_excludes(world: World, login: str, password: str) -> None:
    assert world.sign_in(login, password).code in ("invalid_credentials", "invalid_json")
    assert world.first.asked == []


def test_a_password_that_a_plugin_knows_is_not_changed_here(world: World) -> None:
    world.first.people["max"] = person("max")
    max_ = world.signed_in("max")
    answer = max_.post("/change-password", {"old_password": SECRET, "new_password": "another password"})
    assert (answer.status, answer.code) == (409, "external_account")
    assert "second" in answer.json["message"]
    assert world.audited() == [("max", "profile.change_password", "external_account", "")]


def test_an_account_is_deleted_with_the_plugins_password(world: World) -> None:
    world.first.people["ned"] = person("ned")
    ned = world.signed_in("ned")
    assert ned.delete("/account", {"password": "wrong"}).error == "password_wrong: password"
    world.first.people["ned"] = person("ned", subject="somebody else")
    assert ned.delete("/account", {"password": SECRET}).error == "password_wrong: password"
    world.first.mood = TryLater("away")
    assert ned.delete("/account", {"password": SECRET}).code == "sign_in_unavailable"
    world.first.mood = None
    world.first.people["ned"] = person("ned")
    assert ned.delete("/account", {"password": SECRET}).status == 200
    assert ned.get("/profile").status == 401


@pytest.mark.slow
def test_the_clock_does_not_tell_who_has_an_account(world: World) -> None:
    world.server.user("pat")
    world.first.takes_s = world.second.takes_s = 0.1

    def took_s(login: str) -> float:
        began = time.perf_counter()
        assert world.sign_in(login, "a wrong password").code == "invalid_credentials"
        return time.perf_counter() - began

    pairs = [(took_s("pat"), took_s(f"nobody{n}")) for n in range(7)]  # by turns: the machine does other things too
    own, stranger = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert own > 0.2 and stranger > 0.2  # without the question for nobody the first is a fourth of it
    assert 0.4 < own / stranger < 2.5
    assert len(world.first.asked) == len(world.second.asked) == 14


def test_passwords_are_in_no_log_and_no_answer(
    world: World, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    world.first.people["quinn"] = person("quinn")
    said = []
    for mood in (None, LookupError("lost"), "rubbish"):
        world.first.mood = mood
        said += [world.sign_in("quinn").body, world.sign_in("quinn", "hunter22").body]
    out, err = capfd.readouterr()
    everything = caplog.text + out + err + repr(said)
    assert SECRET not in everything and "hunter22" not in everything
