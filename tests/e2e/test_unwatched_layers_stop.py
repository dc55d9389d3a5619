"""Nobody sends what nobody watches: a tile that shrinks, grows, and a viewer who leaves."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Playwright

from tests.e2e.person import Person, new_meeting
from tests.support.browser import Chromium, ChromiumPage, chromium, wait_until
from tests.support.media import large_media
from tests.support.server import Server

LARGE, SMALL = {"width": 1280, "height": 800}, {"width": 360, "height": 300}
# After 5 s a layer is told to stop; the encoder of a busy machine takes its time to do it.
STOPS_WITHIN_S = 12.0
# The promise is 2 s; three browsers on two cores take their time.
COMES_BACK_WITHIN_S = 10.0


@pytest.fixture
def camera(lab: None, playwright: Playwright) -> Iterator[Chromium]:
    """A browser whose camera is large enough for three layers."""
    with chromium(playwright, large_media()) as browser:
        yield browser


def layers(person: Person) -> dict[str, tuple[bool, int]]:
    """Of one's own camera, by rid: whether it is on, and the bytes sent so far."""
    reports = person.page.evaluate("() => parleyProbe.outbound()")
    return {r["rid"]: (r.get("active", True), r["bytesSent"]) for r in reports if r["kind"] == "video"}


def flowing(person: Person, seconds: float = 1.0) -> set[str]:
    """The layers that send something within a span."""
    before = layers(person)
    person.pause(seconds)
    return {rid for rid, (_, sent) in layers(person).items() if sent > before[rid][1] + 500}


def rate_bps(person: Person) -> float:
    """What the camera sends in all, over two seconds."""
    before, at = sum(sent for _, sent in layers(person).values()), time.monotonic()
    person.pause(2.0)
    return (sum(sent for _, sent in layers(person).values()) - before) * 8 / (time.monotonic() - at)


def shows_width(viewer: Person, name: str, wide: Callable[[int], bool]) -> Callable[[], bool]:
    return lambda: wide((viewer.look(name) or {"width": 0})["width"])


def resize(person: Person, size: dict[str, int]) -> None:
    assert isinstance(person.page, ChromiumPage)
    person.page.playwright.set_viewport_size(size)  # type: ignore[arg-type]  # a dictionary of two integers


def test_layers_that_nobody_watches_stop_and_come_back(
    camera: Chromium, browsers: Callable[[str], Chromium], server: Server
) -> None:
    host = server.client().register("ana", "Ana")
    code = new_meeting(host)["code"]
    ana = Person("Ana", camera.new_page(viewport=LARGE), server.url)
    ben = Person("Ben", browsers("blue").new_page(viewport=LARGE), server.url)
    ana.join(code)
    ben.join(code)
    ben.sees("Ana", "red")
    wait_until(shows_width(ben, "Ana", lambda width: width == 960), "the top layer", within_s=30)
    large = rate_bps(ana)

    resize(ben, SMALL)
    wait_until(lambda: flowing(ana) == {"q"}, "only the lowest layer flows", within_s=STOPS_WITHIN_S)
    assert {rid: on for rid, (on, _) in layers(ana).items()} == {"q": True, "h": False, "f": False}
    small = rate_bps(ana)
    print(f"camera: {large / 1000:.0f} kb/s while large, {small / 1000:.0f} kb/s while small")
    assert small < large / 2
    ben.sees("Ana", "red")

    resize(ben, LARGE)
    began = time.monotonic()
    wait_until(shows_width(ben, "Ana", lambda width: width > 240), "more", within_s=COMES_BACK_WITHIN_S, poll_s=0.05)
    print(f"a larger picture after {time.monotonic() - began:.2f} s")
    wait_until(shows_width(ben, "Ana", lambda width: width == 960), "the top layer again", within_s=30)
    print(f"the top layer after {time.monotonic() - began:.2f} s")

    heard = ben.received()["audioPackets"]
    ben.leave()
    wait_until(lambda: not flowing(ana), "the camera sends nothing", within_s=STOPS_WITHIN_S)
    again = Person("Ben", browsers("blue").new_page(viewport=LARGE), server.url)
    again.join(code)
    began = time.monotonic()
    again.sees("Ana", "red")
    print(f"a picture that moves {time.monotonic() - began:.2f} s after the room was there")
    again.hears_something()
    assert heard > 0
    for person in (ana, ben, again):
        person.expects_console(r"status of 401 .*/api/v1/(profile|csrf-token|auth/refresh)\b")  # nobody is signed in
        assert person.page.console_errors() == []
        person.page.close()
