"""People see what they were told and how it fared, say what they want, and try it."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest

from appliance.hooks.contract import Notification
from appliance.settings import PluginsSettings
from tests.support.api_server import ApiServer, serving, settings_for
from tests.support.plugins import notifier
from tests.support.postgres import Postgres


async def _notify(_: Notification) -> None:
    """The queue does not run here: what is sent, `tests/reactions/test_sending` shows."""


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    url = ""
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.new_database()
    settings = settings_for(tmp_path_factory.mktemp("api"), url, plugins=PluginsSettings(enabled=("mail", "hook")))
    installed = (notifier("mail", _notify), notifier("hook", _notify))
    with serving(settings, discover=lambda: installed) as server:
        yield server


def test_nobody_else_may(api: ApiServer) -> None:
    for method, path, body in (
        ("GET", "/notifications", None),
        ("GET", "/notifications/preferences", None),
        ("PUT", "/notifications/preferences", {}),
        ("POST", "/notifications/test", {}),
    ):
        assert api.request(method, path, body).status == 401


def test_a_test_is_in_the_history_of_who_asked_alone(api: ApiServer) -> None:
    ann, bob = api.user("ntf_ann"), api.user("ntf_bob")
    sent = ann.post("/notifications/test").data
    assert (sent["kind"], sent["title"]) == ("notification.test", "A test")
    assert [(d["notifier"], d["state"]) for d in sent["deliveries"]] == [("hook", "waiting"), ("mail", "waiting")]
    assert ann.get("/notifications").data["items"] == [sent]
    assert bob.get("/notifications").data["items"] == []


def test_tests_are_limited(api: ApiServer) -> None:
    ann = api.user("ntf_eager")
    codes = [ann.post("/notifications/test").status for _ in range(5)]
    assert codes == [200, 200, 200, 429, 429]


def test_wishes_are_kept_and_obeyed(api: ApiServer) -> None:
    ann = api.user("ntf_cat")
    before = ann.get("/notifications/preferences").data
    assert (before["locale"], before["time_zone"], before["off"]) == ("en", "UTC", [])
    assert before["notifiers"] == ["mail", "hook"] and "meeting.invited" in before["kinds"]
    off = [{"kind": "notification.test", "notifier": "mail"}]
    changed = ann.put("/notifications/preferences", {"locale": "zh-CN", "off": off}).data
    assert (changed["locale"], changed["time_zone"], changed["off"]) == ("zh-CN", "UTC", off)
    again = ann.put("/notifications/preferences", {"time_zone": "Asia/Shanghai"}).data
    assert (again["locale"], again["time_zone"], again["off"]) == ("zh-CN", "Asia/Shanghai", off)
    sent = ann.post("/notifications/test").data
    assert sent["title"] == "测试通知"
    fared = {d["notifier"]: (d["state"], d["reason"]) for d in sent["deliveries"]}
    assert fared == {"mail": ("skipped", "not wanted"), "hook": ("waiting", None)}


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"locale": "de"}, "locale"),
        ({"time_zone": "Mars/Olympus"}, "time_zone"),
        ({"off": [{"kind": "meeting.exploded", "notifier": "mail"}]}, "off[0].kind"),
        ({"off": [{"kind": "user.logged_in", "notifier": "pigeon"}]}, "off[0].notifier"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_changes(api: ApiServer, body: dict[str, object], field: str) -> None:
    ann = api.user("ntf_" + re.sub(r"\W", "_", field))
    refused = ann.put("/notifications/preferences", body)
    assert refused.status == 400 and refused.error.endswith(field)
    assert ann.get("/notifications/preferences").data["off"] == []
