"""Real browsers against the SFU alone: no meeting, no HTTP API, a page that is nothing but a peer connection.

What only a browser can show: three simulcast layers that start, its bandwidth estimate that rises on our feedback,
ICE over TCP, its own codecs, an ICE restart, and seats that are re-bound under its jitter buffer.
"""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from appliance.sfu.events import DataMessage, SessionConnected, SessionLost
from appliance.sfu.session import Session
from tests.support.browser import Page, chromium, wait_until
from tests.support.firefox import firefox
from tests.support.media import COLOURS, large_media, media
from tests.support.netns import firewall, network_namespace
from tests.support.sfu_thread import SfuThread, sfu_thread

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

PAGE = (Path(__file__).parents[1] / "support" / "media_page.js").read_text()


@contextmanager
def web_page() -> Iterator[str]:
    """URL of an empty page: getUserMedia wants an origin."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(b"<!doctype html><title>media</title><link rel=icon href=data:,><body>")

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()


class Person:
    """A page and its session."""

    def __init__(self, sfu: SfuThread, page: Page, url: str, name: str) -> None:
        self.sfu, self.page, self.name = sfu, page, name
        page.goto(url)
        page.evaluate(f"() => {{ {PAGE} }}")
        self.session: Session = sfu.session(name)

    def publish(
        self,
        *,
        simulcast: bool = True,
        codec: str | None = None,
        scalability: str | None = None,
        bitrate: int | None = None,
        scale: float | None = None,
    ) -> None:
        """`scalability`: layers inside each encoding, as "L3T3_KEY"; `scale`: how much smaller than the camera."""
        options = {
            "simulcast": simulcast,
            "codec": codec,
            "scalability": scalability,
            "bitrate": bitrate,
            "scale": scale,
        }
        self.page.evaluate("(options) => media.publish(options)", options)

    def negotiate(self, seats: int) -> None:
        answer = self.sfu.negotiate(self.session, self.page.evaluate("(n) => media.offer(n)", seats))
        self.page.evaluate("(sdp) => media.accept(sdp)", answer)
        wait_until(lambda: self.session.connected, f"{self.name} connects", within_s=15)

    def look(self, seat: int) -> dict[str, Any] | None:
        return self.page.evaluate("(seat) => media.look(seat)", seat)

    def stats(self, kind: str) -> list[dict[str, Any]]:
        return self.page.evaluate("(kind) => media.stats(kind)", kind)

    def decoded(self) -> int:
        return sum(r.get("framesDecoded", 0) for r in self.stats("inbound-rtp") if r["kind"] == "video")

    def sees(self, seat: int, colour: str) -> bool:
        seen = self.look(seat)
        return seen is not None and all(abs(a - b) < 45 for a, b in zip(seen["rgb"], COLOURS[colour], strict=True))


@contextmanager
def stage(**settings: Any) -> Iterator[tuple[SfuThread, str, Any]]:
    with network_namespace(), sfu_thread(**settings) as sfu, web_page() as url, sync_playwright() as playwright:
        yield sfu, url, playwright


def test_three_layers_flow_and_a_seat_gets_the_one_that_it_needs() -> None:
    with stage() as (sfu, url, playwright), chromium(playwright, large_media()) as browser:
        red = Person(sfu, browser.new_page(), url, "red")
        viewer = Person(sfu, browser.new_page(), url, "viewer")
        red.publish()
        red.negotiate(0)
        viewer.negotiate(1)
        sfu.bind(viewer.session, 0, red.session)
        wait_until(lambda: viewer.look(0), "a picture", within_s=15)
        wait_until(
            lambda: [layer["flowing"] for layer in sfu.layers(red.session)] == [True] * 3,
            "all three layers flow",
            within_s=30,
        )
        assert [layer["rid"] for layer in sfu.layers(red.session)] == ["q", "h", "f"]
        for size, width in ((8192, 960), (200, 240), (500, 480), (8192, 960)):
            sfu.run(lambda size=size: viewer.session.prefer(0, width=size, height=size * 9 // 16, max_fps=30))
            wait_until(
                lambda width=width: (viewer.look(0) or {}).get("width") == width, f"{width} pixels wide", within_s=15
            )
            before = viewer.decoded()
            wait_until(lambda before=before: viewer.decoded() > before + 10, "frames go on", within_s=10)
        sound = [r for r in viewer.stats("inbound-rtp") if r["kind"] == "audio"]
        assert sum(r["totalAudioEnergy"] for r in sound) > 0


def test_seats_are_rebound_without_renegotiation() -> None:
    with stage() as (sfu, url, playwright), chromium(playwright, media("red")) as reds:
        red = Person(sfu, reds.new_page(), url, "red")
        viewer = Person(sfu, reds.new_page(), url, "viewer")
        red.publish()
        red.negotiate(0)
        viewer.negotiate(1)
        with chromium(playwright, media("green")) as greens:
            green = Person(sfu, greens.new_page(), url, "green")
            green.publish(simulcast=False)
            green.negotiate(0)
            for who, colour in ((red, "red"), (green, "green")) * 3:
                sfu.bind(viewer.session, 0, who.session)
                wait_until(lambda colour=colour: viewer.sees(0, colour), f"{colour} on the seat", within_s=10)
                before = viewer.decoded()
                wait_until(lambda before=before: viewer.decoded() > before + 10, "frames go on", within_s=10)
        assert viewer.page.console_errors() == []


def test_channels_and_more_seats_and_an_ice_restart() -> None:
    with stage() as (sfu, url, playwright), chromium(playwright, media("blue")) as browser:
        blue = Person(sfu, browser.new_page(), url, "blue")
        viewer = Person(sfu, browser.new_page(), url, "viewer")
        blue.publish()
        blue.negotiate(0)
        viewer.negotiate(1)
        sfu.bind(viewer.session, 0, blue.session)
        wait_until(lambda: viewer.sees(0, "blue"), "blue", within_s=15)
        viewer.page.wait_for("() => media.channels.reactions.readyState === 'open'")
        viewer.page.evaluate("() => media.channels.reactions.send('clap')")
        wait_until(lambda: any(isinstance(e, DataMessage) and e.data == "clap" for e in sfu.events), "clap", within_s=5)
        sfu.run(lambda: viewer.session.send_data("captions", "hello"))
        viewer.page.wait_for("() => media.said.length === 1 && media.said[0][1] === 'hello'")

        viewer.negotiate(4)
        sfu.bind(viewer.session, 3, blue.session)
        wait_until(lambda: viewer.sees(3, "blue"), "blue on seat 3", within_s=10)
        for person in (viewer, blue):
            person.page.evaluate("() => media.restartIce()")
            person.negotiate(4 if person is viewer else 0)
            before = viewer.decoded()
            wait_until(lambda before=before: viewer.decoded() > before + 20, "frames after the restart", within_s=10)
        assert not any(isinstance(e, SessionLost) for e in sfu.events)
        assert sum(isinstance(e, SessionConnected) for e in sfu.events) == 2


def test_without_udp_the_call_goes_by_tcp() -> None:
    with stage() as (sfu, url, playwright), chromium(playwright, media("green")) as browser:
        firewall("table inet t { chain c { type filter hook input priority 0;\nmeta l4proto udp drop;\n}\n}\n")
        green = Person(sfu, browser.new_page(), url, "green")
        viewer = Person(sfu, browser.new_page(), url, "viewer")
        green.publish()
        green.negotiate(0)
        viewer.negotiate(1)
        sfu.bind(viewer.session, 0, green.session)
        wait_until(lambda: viewer.sees(0, "green"), "green by TCP", within_s=15)
        pair = next(p for p in viewer.stats("candidate-pair") if p.get("nominated"))
        remote = next(c for c in viewer.stats("remote-candidate") if c["id"] == pair["remoteCandidateId"])
        assert (remote["protocol"], remote["port"]) == ("tcp", sfu.sfu.ports[0])


@pytest.mark.parametrize("codec", ["video/H264", "video/VP9", "video/AV1"])
def test_other_codecs(codec: str) -> None:
    with stage() as (sfu, url, playwright), chromium(playwright, media("green")) as browser:
        green = Person(sfu, browser.new_page(), url, "green")
        viewer = Person(sfu, browser.new_page(), url, "viewer")
        green.publish(simulcast=False, codec=codec)
        green.negotiate(0)
        viewer.negotiate(1)
        sfu.bind(viewer.session, 0, green.session)
        wait_until(lambda: viewer.sees(0, "green"), f"green by {codec}", within_s=20)
        inbound = next(r for r in viewer.stats("inbound-rtp") if r["kind"] == "video")
        used = next(c for c in viewer.stats("codec") if c["id"] == inbound["codecId"])
        assert used["mimeType"] == codec


def test_firefox_and_chromium_see_each_other() -> None:
    with stage() as (sfu, url, playwright), chromium(playwright, media("green")) as browser, firefox() as fox:
        green = Person(sfu, browser.new_page(), url, "green")
        foxy = Person(sfu, fox.new_page(), url, "foxy")
        for person in (green, foxy):
            person.publish()
            person.negotiate(1)
        sfu.bind(green.session, 0, foxy.session)
        sfu.bind(foxy.session, 0, green.session)
        wait_until(lambda: foxy.sees(0, "green"), "Firefox sees green", within_s=20)
        wait_until(lambda: green.decoded() > 20, "Chromium decodes Firefox", within_s=20)
        seen = green.look(0)
        assert seen is not None and max(seen["rgb"]) > 0
