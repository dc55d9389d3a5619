"""Administrators see how plugins fare, and switch one on again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trio

from appliance.hooks.contract import Notification, TryLater
from appliance.settings import PluginsSettings
from tests.support.api_server import Account, ApiServer, serving, settings_for
from tests.support.plugins import NOTIFIERS, found, message, notifier

TWICE = "two plugins have this name: one:p, two:p"
failing = True


async def _notify(_notification: Notification) -> None:
    if failing:
        raise LookupError("lost")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    folder: Path = tmp_path_factory.mktemp("plugins")
    plugins = PluginsSettings(enabled=("mail", "missing"), max_failures=2)
    installed = (
        notifier("mail", _notify),
        found("resting", lambda: None, NOTIFIERS),
        found("vault", lambda: None, ("parley.storage",), unsupported=TWICE),
    )
    with serving(settings_for(folder, plugins=plugins), discover=lambda: installed) as server:
        yield server


@pytest.fixture(scope="module")
def root(server: ApiServer) -> Account:
    return server.admin()


def _listed(root: Account) -> dict[str, Any]:
    data = root.get("/admin/plugins").data
    assert data["next_cursor"] is None
    return {plugin["name"]: plugin for plugin in data["items"]}


def _call(server: ApiServer) -> str | None:
    """Have the plugin called in the server's loop; what the caller is told."""

    async def call() -> str | None:
        try:
            await server.services.plugins.notify("mail", message())
        except TryLater as error:
            return error.reason
        return None

    assert server.token is not None
    return trio.from_thread.run(call, trio_token=server.token)


def test_nobody_else_may(server: ApiServer, root: Account) -> None:
    ann = server.user("nosy")
    for method, path, body in (("GET", "/admin/plugins", None), ("POST", "/admin/plugins/mail/enable", {})):
        assert (server.request(method, path, body).status, ann.call(method, path, body).code) == (401, "forbidden")


def test_all_are_listed_with_state_and_reason(root: Account) -> None:
    listed = _listed(root)
    assert list(listed) == ["mail", "missing", "resting", "vault"]
    mail = listed["mail"]
    assert (mail["state"], mail["reason"]) == ("enabled", None)
    assert (mail["version"], mail["package"]) == ("1.2.3", "parley-mail")
    assert mail["groups"] == ["parley.notifiers"] and mail["since"].endswith("Z")
    assert (listed["missing"]["state"], listed["missing"]["reason"].partition(":")[0]) == ("failed", "not installed")
    assert (listed["resting"]["state"], listed["resting"]["since"]) == ("available", None)
    assert (listed["vault"]["state"], listed["vault"]["reason"]) == ("unsupported", TWICE)


def test_one_that_was_switched_off_is_switched_on_again(server: ApiServer, root: Account) -> None:
    global failing
    assert [_call(server), _call(server)] == ["LookupError: lost", "LookupError: lost"]
    off = _listed(root)["mail"]
    assert (off["state"], off["reason"]) == ("disabled", "failed 2 times in a row, at last: LookupError: lost")
    assert (off["statistics"]["calls"], off["statistics"]["failed"]) == (2, 2)
    assert 0 < off["statistics"]["latency_mean_ms"] <= off["statistics"]["latency_max_ms"]
    failing = False
    answers = [root.post("/admin/plugins/mail/enable")]
    while answers[-1].status == 409:  # its thread is about to end
        assert answers[-1].error == "plugin_still_running: name"
        answers.append(root.post("/admin/plugins/mail/enable"))
    assert answers[-1].data["state"] == "enabled"
    assert _call(server) is None
    rows = root.get("/admin/audit?action=admin.plugin.enable").data["items"]
    assert (rows[0]["target"], rows[0]["detail"]) == ("mail", "enabled")


def test_only_what_the_settings_enable_is_switched_on(root: Account) -> None:
    for name in ("resting", "nobody"):
        assert root.post(f"/admin/plugins/{name}/enable").error == "not_found: name"
    assert root.post("/admin/plugins/missing/enable").data["state"] == "failed"


def test_metrics_come_from_it(server: ApiServer) -> None:
    numbers = trio.from_thread.run_sync(server.services.plugins.statistics, trio_token=server.token)
    assert set(numbers) == {"mail", "missing"}
    assert _call(server) is None
