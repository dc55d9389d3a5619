"""Firefox, driven over WebDriver BiDi (W3C) by one blocking WebSocket: Debian's own build, no driver between.

Owns the browser process, its profile and the protocol. Playwright's Firefox is a patched build that Debian does not
have, and geckodriver is not packaged; the few commands needed fit here.
"""

from __future__ import annotations

import base64
import json
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import wsproto
import wsproto.events

from tests.support.children import die_with_parent
from tests.support.probe import PROBE

START_WITHIN_S = 60.0
COMMAND_WITHIN_S = 30.0

PREFERENCES: dict[str, bool | int | str] = {
    "media.navigator.streams.fake": True,  # a camera and a microphone that need no device
    "media.navigator.permission.disabled": True,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
    "media.autoplay.default": 0,
    "media.autoplay.blocking_policy": 0,
    "media.gmp-manager.updateEnabled": False,
    "media.gmp-provider.enabled": False,
    "app.normandy.enabled": False,
    "app.update.disabledForTesting": True,
    "browser.safebrowsing.malware.enabled": False,
    "browser.safebrowsing.phishing.enabled": False,
    "browser.search.update": False,
    "browser.shell.checkDefaultBrowser": False,
    "browser.startup.homepage_override.mstone": "ignore",
    "datareporting.policy.dataSubmissionEnabled": False,
    "dom.push.serverURL": "",
    "extensions.update.enabled": False,
    "network.captive-portal-service.enabled": False,
    "network.connectivity-service.enabled": False,
    "services.settings.server": "",
    "toolkit.telemetry.reportingpolicy.firstRun": False,
}


class FirefoxError(Exception):
    """Firefox refused a command, or a script threw."""


class _Bidi:
    """Commands and answers; events are kept for whoever asks."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=COMMAND_WITHIN_S)
        self._protocol = wsproto.WSConnection(wsproto.ConnectionType.CLIENT)
        self._socket.sendall(self._protocol.send(wsproto.events.Request(host=f"127.0.0.1:{port}", target="/session")))
        self._number = 0
        self._text = ""
        self._answers: dict[int, dict[str, Any]] = {}
        self.events: list[dict[str, Any]] = []
        self._accepted = False
        while not self._accepted:
            self._receive()

    def _receive(self) -> None:
        data = self._socket.recv(262_144)
        if not data:
            raise FirefoxError("Firefox closed its connection")
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            if isinstance(event, wsproto.events.AcceptConnection):
                self._accepted = True
            elif isinstance(event, wsproto.events.Ping):
                self._socket.sendall(self._protocol.send(event.response()))
            elif isinstance(event, wsproto.events.TextMessage):
                self._text += event.data
                if event.message_finished:
                    message, self._text = json.loads(self._text), ""
                    if message["type"] == "event":
                        self.events.append(message)
                    else:
                        self._answers[message["id"]] = message
            elif isinstance(event, wsproto.events.CloseConnection | wsproto.events.RejectConnection):
                raise FirefoxError(f"Firefox ended the connection: {event}")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        self._number += 1
        number = self._number
        command = json.dumps({"id": number, "method": method, "params": params})
        self._socket.sendall(self._protocol.send(wsproto.events.Message(command)))
        while number not in self._answers:
            self._receive()
        answer = self._answers.pop(number)
        if answer["type"] == "error":
            raise FirefoxError(f"{method}: {answer['error']}: {answer['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    def close(self) -> None:
        self._socket.close()


class FirefoxPage:
    """One tab; the same verbs as browser.ChromiumPage."""

    def __init__(self, bidi: _Bidi, context: str) -> None:
        self._bidi = bidi
        self._context = context

    def goto(self, url: str) -> None:
        self._bidi.call("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def reload(self) -> None:
        self._bidi.call("browsingContext.reload", context=self._context, wait="complete")

    def evaluate(self, function: str, argument: object = None) -> Any:
        """Call a JavaScript function (sync or async) with one JSON argument; its JSON result."""
        answer = self._bidi.call(
            "script.callFunction",
            functionDeclaration=f"async (text) => JSON.stringify(await ({function})(JSON.parse(text)) ?? null)",
            arguments=[{"type": "string", "value": json.dumps(argument)}],
            awaitPromise=True,
            target={"context": self._context},
            userActivation=True,
        )
        if answer["type"] == "exception":
            raise FirefoxError(answer["exceptionDetails"]["text"])
        return json.loads(answer["result"]["value"])

    def wait_for(self, function: str, argument: object = None, *, within_s: float = 45.0) -> Any:
        """The first truthy result of a function; AssertionError names it when none came in time."""
        deadline = time.monotonic() + within_s
        while not (result := self.evaluate(function, argument)):
            assert time.monotonic() < deadline, f"not within {within_s} s: {function} {argument!r}"
            time.sleep(0.1)
        return result

    def _element(self, test_id: str) -> dict[str, Any]:
        self.wait_for("id => !!document.querySelector(`[data-testid='${id}']`)", test_id)
        nodes = self._bidi.call(
            "browsingContext.locateNodes",
            context=self._context,
            locator={"type": "css", "value": f"[data-testid='{test_id}']"},
            maxNodeCount=1,
        )["nodes"]
        return {"sharedId": nodes[0]["sharedId"]}

    def click(self, test_id: str) -> None:
        """A pointer on the middle of the element, as a person does it."""
        element = self._element(test_id)
        self.wait_for("id => !document.querySelector(`[data-testid='${id}']`).disabled", test_id)
        self._bidi.call(
            "input.performActions",
            context=self._context,
            actions=[
                {
                    "type": "pointer",
                    "id": "mouse",
                    "actions": [
                        {"type": "pointerMove", "x": 0, "y": 0, "origin": {"type": "element", "element": element}},
                        {"type": "pointerDown", "button": 0},
                        {"type": "pointerUp", "button": 0},
                    ],
                }
            ],
        )

    def fill(self, test_id: str, text: str) -> None:
        """Put text into a field, replacing what stood there."""
        self.click(test_id)
        self.evaluate("id => document.querySelector(`[data-testid='${id}']`).select()", test_id)
        keys = [{"type": kind, "value": letter} for letter in text for kind in ("keyDown", "keyUp")]
        self._bidi.call(
            "input.performActions", context=self._context, actions=[{"type": "key", "id": "keys", "actions": keys}]
        )

    def console_errors(self) -> list[str]:
        """What the page complained about since it was opened."""
        self.evaluate("() => 0")  # events that were on their way are here now
        return [
            event["params"]["text"]
            for event in self._bidi.events
            if event["method"] == "log.entryAdded"
            and event["params"]["level"] == "error"
            and event["params"]["source"].get("context") == self._context
        ]

    def forget_console_errors(self, *expected: str) -> None:
        """Drop errors that the test caused on purpose: each pattern is a regular expression."""
        self.console_errors()
        self._bidi.events = [
            event
            for event in self._bidi.events
            if not any(re.search(pattern, str(event["params"].get("text"))) for pattern in expected)
        ]

    def screenshot(self, path: Path) -> None:
        data = self._bidi.call("browsingContext.captureScreenshot", context=self._context)["data"]
        path.write_bytes(base64.b64decode(data))

    def close(self) -> None:
        self._bidi.call("browsingContext.close", context=self._context)


class Firefox:
    """A browser process; every page gets a container of its own (cookies, storage)."""

    def __init__(self, bidi: _Bidi) -> None:
        self._bidi = bidi

    def new_page(self) -> FirefoxPage:
        user = self._bidi.call("browser.createUserContext")["userContext"]
        context = self._bidi.call("browsingContext.create", type="tab", userContext=user)["context"]
        self._bidi.call("script.addPreloadScript", functionDeclaration=f"() => {{ {PROBE} }}", contexts=[context])
        return FirefoxPage(self._bidi, context)


@contextmanager
def firefox() -> Iterator[Firefox]:
    """Start Debian's Firefox with a fresh profile, headless."""
    executable = shutil.which("firefox-esr") or shutil.which("firefox")
    assert executable, "firefox is missing: apt-get install firefox-esr"
    with tempfile.TemporaryDirectory(prefix="parley-firefox-", ignore_cleanup_errors=True) as home:
        profile = Path(home, "profile")
        profile.mkdir()
        lines = [f"user_pref({json.dumps(name)}, {json.dumps(value)});" for name, value in PREFERENCES.items()]
        (profile / "user.js").write_text("\n".join(lines))
        log_path = Path(home, "log")
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [executable, "--headless", "--no-remote", "--profile", str(profile), "--remote-debugging-port", "0"],
                stdin=subprocess.DEVNULL,
                preexec_fn=die_with_parent,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={"HOME": home, "PATH": "/usr/bin:/bin", "MOZ_CRASHREPORTER_DISABLE": "1", "LANG": "C.UTF-8"},
            )
        try:
            deadline = time.monotonic() + START_WITHIN_S
            while not (found := re.search(r"BiDi listening on ws://127\.0\.0\.1:(\d+)", log_path.read_text())):
                assert process.poll() is None, f"firefox ended with {process.returncode}:\n{log_path.read_text()}"
                assert time.monotonic() < deadline, f"firefox did not come up:\n{log_path.read_text()}"
                time.sleep(0.1)
            bidi = _Bidi(int(found[1]))
            try:
                bidi.call("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
                bidi.call("session.subscribe", events=["log.entryAdded"])
                yield Firefox(bidi)
            finally:
                bidi.close()
        finally:
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
