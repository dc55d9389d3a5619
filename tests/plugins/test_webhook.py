"""The webhook plugin as the server runs it: what is received is verified by its own guide's snippet."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import parley_webhook
import pytest

from appliance.errors import ConfigError
from appliance.events.envelope import decode
from appliance.hooks.configuration import configure
from appliance.hooks.contract import Notification, TryLater, Undeliverable
from appliance.settings import PluginsSettings
from appliance.settings_file import load
from tests.support.http_receiver import Receiver, receiving
from tests.support.plugins import LISTENERS, NOTIFIERS, ended, found, message, running

README = Path(parley_webhook.__file__).parents[1] / "README.md"
SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
OLD_SECRET = "whsec_" + base64.b64encode(bytes(range(1, 33))).decode()
PLUGIN = found("webhook", lambda: parley_webhook.plugin, NOTIFIERS + LISTENERS)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as running_receiver:
        yield running_receiver


def _settings(url: str, **keys: str) -> Any:
    given = {"url": url, "secret": SECRET, "allow_http": "true", "allow_networks": "127.0.0.1/32", **keys}
    return load(None, {f"PARLEY_PLUGINS__WEBHOOK__{key.upper()}": value for key, value in given.items()}).plugins


def _to(receiver: Receiver, **keys: str) -> dict[str, Any]:
    return {"tables": _settings(f"http://127.0.0.1:{receiver.port}/", **keys).tables}


def _snippet() -> Any:
    """``verify`` of the guide."""
    (code,) = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(code[code.index("def ") :].strip().splitlines()) <= 10
    names: dict[str, Any] = {}
    exec(code, names)
    return names["verify"]


async def test_an_event_is_received_and_verified_by_the_guides_snippet(receiver: Receiver) -> None:
    async with running(PLUGIN, **_to(receiver, previous_secret=OLD_SECRET)) as plugins:
        assert plugins.notifiers() == ["webhook"]
        assert "meeting.ended" in plugins.listeners()["webhook"]
        await plugins.tell("webhook", ended())
    (request,) = receiver.requests
    assert decode(request.body) == ended()
    assert request.headers["webhook-id"] == "evt_1"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["user-agent"].startswith("Parley/0.0.test")
    verify = _snippet()
    for secret in (SECRET, OLD_SECRET):
        verify(secret, request.headers, request.body)
    other = "whsec_" + base64.b64encode(b"another secret of thirty-two byte").decode()
    late = {**request.headers, "webhook-timestamp": str(int(time.time()) - 301)}
    for secret, headers, body in (
        (other, request.headers, request.body),
        (SECRET, request.headers, request.body + b" "),
        (SECRET, {**request.headers, "webhook-id": "evt_2"}, request.body),
        (SECRET, late, request.body),
    ):
        with pytest.raises(ValueError, match="not from Parley, or too old"):
            verify(secret, headers, body)


async def test_an_old_message_is_refused_however_well_signed(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    async with running(PLUGIN, **_to(receiver)) as plugins:
        monkeypatch.setattr("parley_webhook.time.time", lambda: now - 400)
        await plugins.tell("webhook", ended())
        monkeypatch.undo()
    with pytest.raises(ValueError, match="too old"):
        _snippet()(SECRET, receiver.requests[0].headers, receiver.requests[0].body)


async def test_a_notification_is_received_whole(receiver: Receiver) -> None:
    async with running(PLUGIN, **_to(receiver)) as plugins:
        await plugins.notify("webhook", message())
    body = json.loads(receiver.requests[0].body)
    assert (body["v"], body["id"], body["topic"]) == (1, "ntf_1", "notifications")
    assert msgspec.convert(body["notification"], Notification) == message()


@pytest.mark.parametrize(
    ("answer", "expected", "reason", "after_s"),
    [
        (b"HTTP/1.1 500 x\r\nContent-Length: 0\r\n\r\n", TryLater, "127.0.0.1 answered 500", None),
        (b"HTTP/1.1 404 x\r\nContent-Length: 0\r\n\r\n", TryLater, "answered 404", None),
        (b"HTTP/1.1 429 x\r\nRetry-After: 90\r\nContent-Length: 0\r\n\r\n", TryLater, "answered 429", 90),
        (b"HTTP/1.1 503 x\r\nRetry-After: 999999999\r\nContent-Length: 0\r\n\r\n", TryLater, "answered 503", 86_400),
        (b"HTTP/1.1 503 x\r\nRetry-After: Fri, 1 Jan\r\nContent-Length: 0\r\n\r\n", TryLater, "answered 503", None),
        (b"HTTP/1.1 302 x\r\nLocation: /\r\nContent-Length: 0\r\n\r\n", TryLater, "redirects are not followed", None),
        (b"HTTP/1.1 410 x\r\nContent-Length: 0\r\n\r\n", Undeliverable, "answered 410", None),
        (b"rubbish\r\n\r\n", TryLater, "no proper HTTP", None),
        (b"", TryLater, r"did not answer within 0\.2 s", None),
    ],
)
async def test_what_is_no_success_is_no_fault_of_the_plugin(
    receiver: Receiver, answer: bytes, expected: type[Exception], reason: str, after_s: float | None
) -> None:
    receiver.answer = answer
    deadline_s = "10" if answer else "0.2"
    async with running(PLUGIN, **_to(receiver, deadline_s=deadline_s), max_failures=1) as plugins:
        with pytest.raises(expected, match=reason) as caught:
            await plugins.tell("webhook", ended())
        assert getattr(caught.value, "after_s", None) == after_s
        assert plugins.status("webhook").state == "enabled"


async def test_a_forbidden_address_is_told_and_not_connected_to(receiver: Receiver) -> None:
    async with running(PLUGIN, **_to(receiver, allow_networks="")) as plugins:
        with pytest.raises(TryLater, match=r"leads to 127\.0\.0\.1, which plugins\.webhook\.allow"):
            await plugins.tell("webhook", ended())
    assert receiver.requests == []


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        ({"allow_http": "false"}, "plugins.webhook.url: must begin with https:// unless allow_http = true"),
        ({"secret": "hunter2"}, "plugins.webhook.secret: must be whsec_ and 24 to 64 random bytes"),
        ({"previous_secret": "hunter2"}, "plugins.webhook.previous_secret: must be"),
        ({"allow_networks": "hunter2"}, "plugins.webhook.allow_networks: must hold networks"),
        ({"url": "http://hunter2@x/"}, "plugins.webhook.url: must hold no user name"),
        ({"deadline_s": "0"}, "plugins.webhook.deadline_s: expected float > 0"),
    ],
)
def test_wrong_settings_name_the_key(keys: dict[str, str], sentence: str) -> None:
    settings: PluginsSettings = _settings(**{"url": "http://x/", **keys})
    with pytest.raises(ConfigError) as caught:
        configure("webhook", parley_webhook.plugin, settings)
    assert str(caught.value).startswith(sentence)
    assert "hunter2" not in str(caught.value)


async def test_events_that_do_not_exist_are_refused(receiver: Receiver) -> None:
    async with running(PLUGIN, **_to(receiver, events="meeting.exploded")) as plugins:
        assert plugins.status("webhook").reason == "looking at its hooks: events: there is no 'meeting.exploded'"


def test_the_readme_names_every_key() -> None:
    text = README.read_text()
    for key in parley_webhook.WebhookConfig.__struct_fields__:
        assert f"`{key}`" in text or f"\n{key} = " in text, key
