"""A meeting of one who sends and some who watch, each at a browser of their own behind a link of their own.

Owns getting there and what is read from the browsers and the server; the promises are the tests'.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from playwright.sync_api import Error as PlaywrightError
from playwright.sync_api import Playwright, sync_playwright

from tests.e2e.person import Person, new_meeting
from tests.support.browser import Chromium, chromium, wait_until
from tests.support.impaired_link import SERVER, SERVER_SIX, ImpairedLink, impaired_link, server_addresses
from tests.support.media import Media, large_media, media
from tests.support.netns import network_namespace
from tests.support.server import Server, running_server

Span = TypeVar("Span")

# Nothing moves on the page but the pictures: three browsers share two cores.
CONTEXT: dict[str, Any] = {"reduced_motion": "reduce"}
# A window in which the picture of one other is some 1250 pixels wide, worth the top layer.
LARGE = {"width": 1300, "height": 800}
# Of which one must be good.
SPANS = 4
# Chromium says so when nobody is signed in.
NOBODY = r"status of 401 .*/api/v1/(profile|csrf-token|auth/refresh)\b"

WATCHING = """async () => {
  const found = {at: performance.now() / 1000, frames: 0, frozen: 0, width: 0, videoBytes: 0,
                 concealed: 0, samples: 0, audioPackets: 0, audioLost: 0};
  for (const report of await parleyProbe.inbound()) {
    if (!report.packetsReceived) continue;
    if (report.kind === 'video') {
      found.frames += report.framesDecoded ?? 0;
      found.frozen += report.totalFreezesDuration ?? 0;
      found.videoBytes += report.bytesReceived;
      found.width = Math.max(found.width, report.frameWidth ?? 0);
    } else {
      found.concealed += report.concealedSamples ?? 0;
      found.samples += report.totalSamplesReceived ?? 0;
      found.audioPackets += report.packetsReceived;
      found.audioLost += report.packetsLost;
    }
  }
  return found;
}"""

SENDING = """async () => {
  const found = {};
  for (const report of await parleyProbe.outbound())
    if (report.kind === 'video')
      found[report.rid ?? ''] = {at: report.timestamp / 1000, bytes: report.bytesSent, frames: report.framesSent ?? 0};
  return found;
}"""

CAMERA = """async () => ({
  outbound: (await parleyProbe.outbound()).map((r) => [r.kind, r.rid, r.active, r.framesEncoded, r.framesSent]),
  senders: parleyProbe.connections.flatMap((c) => c.getSenders())
    .map((s) => [s.track?.kind, s.track?.readyState, s.track?.muted, s.getParameters().encodings]),
  on: document.querySelector("[data-testid='camera-toggle']")?.ariaPressed,
})"""


@dataclass(frozen=True)
class Watched:
    """What somebody saw and heard in a span, all who send together."""

    seconds: float
    frames_per_s: float
    frozen: float
    """Share of the time in freezes, by Chromium's definition (webrtc-stats, totalFreezesDuration)."""
    concealed: float
    """Share of sound that the browser made up because it was not there in time."""
    width: int
    """Of the newest picture."""
    video_bps: float


class Watcher(Person):
    """Somebody who only receives."""

    def __init__(self, name: str, page: Any, url: str, link: ImpairedLink) -> None:
        super().__init__(name, page, url)
        self.link = link
        self._before: dict[str, float] | None = None

    def joins_to_watch(self, code: str) -> None:
        """With camera and microphone off."""
        self.page.goto(f"{self.url}/{code}")
        for device in ("camera", "mic"):
            control = f"[data-testid='{device}-toggle']"
            self.page.wait_for("(control) => document.querySelector(control)?.ariaPressed === 'true'", control)
            self.page.click(f"{device}-toggle")
        self.joins_from_here()

    def begin(self) -> None:
        """A span begins now."""
        self._before = self.page.evaluate(WATCHING)
        self.link.report()

    def end(self) -> Watched:
        """The span since `begin`."""
        before, after = self._before, self.page.evaluate(WATCHING)
        assert before is not None
        by = {name: after[name] - before[name] for name in before}
        return Watched(
            seconds=by["at"],
            frames_per_s=by["frames"] / by["at"],
            frozen=by["frozen"] / by["at"],
            concealed=by["concealed"] / max(1, by["samples"]),
            width=int(after["width"]),
            video_bps=by["videoBytes"] * 8 / by["at"],
        )

    def sees_layer(self, width: int, within_s: float = 40.0) -> None:
        """The sender's layer of this width is on the screen."""
        wait_until(lambda: (self.look("Ana") or {}).get("width") == width, f"{width} pixels", within_s=within_s)

    def participant_id(self) -> str:
        """In the meeting."""
        found: str = self.page.evaluate("() => __parley.view().selfId")
        return found


class Sender(Person):
    """Somebody with a camera of 960x540 in three layers and a microphone."""

    def __init__(self, name: str, page: Any, url: str, link: ImpairedLink) -> None:
        super().__init__(name, page, url)
        self.link = link

    def sends_pictures(self) -> None:
        """The camera is on and frames leave."""
        try:
            wait_until(lambda: any(now["frames"] for now in self.page.evaluate(SENDING).values()), "", within_s=45)
        except AssertionError:
            raise AssertionError(f"{self.name} sends no picture: {self.page.evaluate(CAMERA)}") from None

    def whereabouts(self) -> str:
        """Of this browser, for the message of a test that misses it."""
        try:
            phase = self.page.evaluate("() => globalThis.__parley?.phase().name ?? document.body.innerText")
        except PlaywrightError as error:
            phase = str(error)
        return f"{self.name}: {phase}; console: {self.page.console_errors()}"

    def comes_back(self) -> None:
        """Leave and join again: a browser finds out at once what a new connection carries, and slowly what an old one
        carries again."""
        self.page.reload()
        self.joins_from_here()

    def sends(self, over_s: float) -> dict[str, float]:
        """Bits a second of each camera layer by RID, over the next seconds."""
        before = self.page.evaluate(SENDING)
        self.pause(over_s)
        after = self.page.evaluate(SENDING)
        return {
            rid: (now["bytes"] - before[rid]["bytes"]) * 8 / max(0.001, now["at"] - before[rid]["at"])
            for rid, now in after.items()
            if rid in before
        }


class Call:
    """The meeting. Browsers are started once; people come and go."""

    def __init__(self, stack: ExitStack, server: Server, playwright: Playwright, code: str) -> None:
        self.server = server
        self.code = code
        self._stack = stack
        self._playwright = playwright
        self._browsers: dict[int, Chromium] = {}
        self._links: dict[int, ImpairedLink] = {}

    def sender(self) -> Sender:
        """Joins and sends pictures; the camera's upper layers need some seconds to start."""
        sender = Sender("Ana", *self._seat(1, large_media()))
        sender.join(self.code)
        sender.sends_pictures()
        return sender

    def watcher(self, number: int, *, six: bool = False, **context: Any) -> Watcher:
        """At link ``number``, 2 and up, which is good again. ``six``: goes to the server's IPv6 address."""
        page, url, link = self._seat(number, media("green"), **context)
        watcher = Watcher(f"Watcher {number}", page, self._url(SERVER_SIX) if six else url, link)
        for way in (watcher.link.down, watcher.link.up):
            way(delay_ms=0, rate_bps=None, queue_ms=300, loss=0)
        try:
            watcher.joins_to_watch(self.code)
        except BaseException:
            page.close()  # nobody who is half there stays
            raise
        return watcher

    def link(self, number: int) -> ImpairedLink:
        """The link of a watcher to come, or of one who is there."""
        self._browser(number, media("green"))
        return self._links[number]

    def estimate_bps(self, who: Watcher) -> int:
        """What the server believes of a watcher's link."""
        rooms = self.server.administrator().get("/stats")["live"]["rooms"]
        estimate = next(iter(rooms.values()))["connections"][who.participant_id()]["estimate_bps"]
        assert estimate is not None, "no estimate"
        return int(estimate)

    def _url(self, address: str) -> str:
        return f"http://{f'[{address}]' if ':' in address else address}:{self.server.http_port}"

    def _seat(self, number: int, devices: Media, **context: Any) -> tuple[Any, str, ImpairedLink]:
        browser = self._browser(number, devices)
        return browser.new_page(**CONTEXT, **context), self._url(SERVER), self._links[number]

    def _browser(self, number: int, devices: Media) -> Chromium:
        if number not in self._browsers:
            link = self._links[number] = self._stack.enter_context(impaired_link(number, seed=number))
            # Camera and microphone are for secure origins, and names and addresses for nobody but the server.
            flags = (
                f"--unsafely-treat-insecure-origin-as-secure={self._url(SERVER)},{self._url(SERVER_SIX)}",
                f"--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE {SERVER} , EXCLUDE {SERVER_SIX}",
            )
            self._browsers[number] = self._stack.enter_context(
                chromium(self._playwright, devices, flags, namespace=link.namespace)
            )
        return self._browsers[number]


@contextmanager
def open_call(folder: Path) -> Iterator[Call]:
    """A server in a network of its own and an empty meeting."""
    environment = {
        "PARLEY_HTTP__HOST": "::",
        "PARLEY_TLS__MODE": "off",
        "PARLEY_MEDIA__ANNOUNCED_ADDRESSES": f"{SERVER},{SERVER_SIX}",
    }
    with ExitStack() as stack:
        stack.enter_context(network_namespace())
        stack.enter_context(server_addresses())
        server = stack.enter_context(running_server(folder, environment))
        code = new_meeting(server.client().register("ana", "Ana"))["code"]
        yield Call(stack, server, stack.enter_context(sync_playwright()), code)


def first_good(span: Callable[[], Span], good: Callable[[Span], bool], spans: int = SPANS) -> Span:
    """The first span that is good, of ``spans`` that follow one another.

    Browsers that share two cores with strangers stand still by themselves, and an estimate takes its time there.

    Raises:
        AssertionError: none was; it tells all of them.
    """
    seen: list[Span] = []
    while not seen or not good(seen[-1]):
        assert len(seen) < spans, seen
        seen.append(span())
    return seen[-1]


def watch_together(watchers: list[Watcher], seconds: float) -> list[Watched]:
    """What each of them sees and hears in the same span."""
    for watcher in watchers:
        watcher.begin()
    time.sleep(seconds)
    return [watcher.end() for watcher in watchers]
