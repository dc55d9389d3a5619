"""Chromium, driven by Playwright: Debian's own build with a synthetic camera and microphone.

Owns the flags and the few verbs that tests use, the same as firefox.FirefoxPage. What a page writes to the console as
an error fails the test that asks, unless the test said that it would come.
"""

from __future__ import annotations

import re
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Playwright
from playwright.sync_api import Page as PlaywrightPage

from tests.support.media import Media
from tests.support.netns import Namespace
from tests.support.probe import PROBE

# Far above what anything takes on a machine that does only this; a busy one is no reason to fail.
ACT_WITHIN_MS = 45_000.0


class Page(Protocol):
    """What a test does with a page, in any browser."""

    def goto(self, url: str) -> None: ...
    def reload(self) -> None: ...
    def evaluate(self, function: str, argument: object = None) -> Any: ...
    def wait_for(self, function: str, argument: object = None, *, within_s: float = 45.0) -> Any: ...
    def click(self, test_id: str) -> None: ...
    def fill(self, test_id: str, text: str) -> None: ...
    def console_errors(self) -> list[str]: ...
    def forget_console_errors(self, *expected: str) -> None: ...
    def screenshot(self, path: Path) -> None: ...
    def close(self) -> None: ...


class ChromiumPage:
    """One tab in a context of its own (cookies, storage, permissions)."""

    def __init__(self, context: BrowserContext) -> None:
        self._context = context
        self._errors: list[str] = []
        context.add_init_script(PROBE)
        self.playwright: PlaywrightPage = context.new_page()
        self.playwright.set_default_timeout(ACT_WITHIN_MS)
        self.playwright.on("console", self._on_console)
        self.playwright.on("crash", lambda _: self._errors.append("the page crashed"))
        self.playwright.on("pageerror", lambda error: self._errors.append(f"uncaught: {error}"))

    def _on_console(self, message: ConsoleMessage) -> None:
        if message.type == "error":
            self._errors.append(f"{message.text} ({message.location.get('url', '')})")

    def goto(self, url: str) -> None:
        self.playwright.goto(url)

    def reload(self) -> None:
        self.playwright.reload()

    def evaluate(self, function: str, argument: object = None) -> Any:
        """Call a JavaScript function (sync or async) with one JSON argument; its JSON result."""
        return self.playwright.evaluate(function, argument)

    def wait_for(self, function: str, argument: object = None, *, within_s: float = 45.0) -> Any:
        """The first truthy result of a function; AssertionError names it when none came in time."""
        deadline = time.monotonic() + within_s
        while not (result := self.evaluate(function, argument)):
            assert time.monotonic() < deadline, f"not within {within_s} s: {function} {argument!r}"
            self.playwright.wait_for_timeout(100)
        return result

    def click(self, test_id: str) -> None:
        self.playwright.get_by_test_id(test_id).first.click()

    def fill(self, test_id: str, text: str) -> None:
        self.playwright.get_by_test_id(test_id).first.fill(text)

    def console_errors(self) -> list[str]:
        return list(self._errors)

    def forget_console_errors(self, *expected: str) -> None:
        """Drop errors that the test caused on purpose: each pattern is a regular expression."""
        self._errors = [line for line in self._errors if not any(re.search(e, line) for e in expected)]

    def screenshot(self, path: Path) -> None:
        self.playwright.screenshot(path=path)

    def close(self) -> None:
        self._context.close()


class Chromium:
    """A browser process with one camera and one microphone; pages are contexts in it."""

    def __init__(self, browser: Browser) -> None:
        self.browser = browser

    def new_page(self, **context: Any) -> ChromiumPage:
        """``context``: options of Playwright's new_context, as viewport, locale, color_scheme."""
        options = {"viewport": {"width": 1000, "height": 640}, "locale": "en-US", **context}
        return ChromiumPage(self.browser.new_context(ignore_https_errors=True, **options))


def flags(media: Media) -> list[str]:
    """Command line of a Chromium without a screen, network beyond loopback, or questions."""
    return [
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--use-fake-ui-for-media-stream",
        "--use-fake-device-for-media-stream",
        f"--use-file-for-fake-video-capture={media.camera}",
        f"--use-file-for-fake-audio-capture={media.microphone}",
        "--auto-accept-this-tab-capture",
        "--autoplay-policy=no-user-gesture-required",
        "--disable-background-networking",
        "--disable-background-timer-throttling",
        "--disable-backgrounding-occluded-windows",
        "--disable-component-update",
        "--disable-renderer-backgrounding",
        "--disable-sync",
        "--no-first-run",
        # In a namespace with loopback only there is no other address to talk to.
        "--allow-loopback-in-peer-connection",
        "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE localhost , EXCLUDE 127.0.0.1",
    ]


@contextmanager
def chromium(
    playwright: Playwright, media: Media, more_flags: Sequence[str] = (), *, namespace: Namespace | None = None
) -> Iterator[Chromium]:
    """Start Debian's Chromium as the person whose camera and microphone ``media`` is, in this network or another."""
    executable = shutil.which("chromium") or shutil.which("google-chrome")
    assert executable, "chromium is missing: apt-get install chromium"
    if namespace is not None:
        # Playwright's own process starts the browser and knows no namespaces; they talk by a pipe.
        text = f'#!/bin/sh\nexec nsenter --net={namespace.path} {executable} "$@"\n'
        folder = Path(tempfile.mkdtemp(prefix="chromium-"))
        executable = str(folder / "chromium")
        Path(executable).write_text(text)
        Path(executable).chmod(0o700)
    browser = playwright.chromium.launch(
        executable_path=executable,
        headless=True,
        args=[*flags(media), *more_flags],
        ignore_default_args=["--mute-audio", "--headless"],
        timeout=60_000,
    )
    try:
        yield Chromium(browser)
    finally:
        browser.close()
        if namespace is not None:
            shutil.rmtree(folder)


def wait_until(condition: Callable[[], Any], what: str, *, within_s: float, poll_s: float = 0.2) -> Any:
    """The first truthy value of ``condition``; AssertionError says what did not come."""
    deadline = time.monotonic() + within_s
    while not (value := condition()):
        assert time.monotonic() < deadline, f"not within {within_s} s: {what}"
        time.sleep(poll_s)
    return value
