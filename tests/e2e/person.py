"""A person at a browser: joins, looks, listens, presses buttons. Knows the page's test ids so that tests need not."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from tests.support.browser import Page
from tests.support.http_client import HttpClient
from tests.support.media import COLOURS

# VP8 at these sizes moves a channel by a few steps; the three colours differ by more than 100 in some channel.
COLOUR_TOLERANCE = 45

# Speech in the recordings is far above this root mean square, comfort noise and silence far below.
AUDIBLE = 0.01

# What the page shows when it will not let somebody in: beside the button, at a field, or instead of the form.
REFUSALS = "[data-testid='form-problem'], [aria-invalid='true'], [data-testid^='screen-']"

VIDEO_OF = """({name, source}) => {
  const tile = [...document.querySelectorAll("[data-testid='tile']")]
    .find((t) => t.dataset.name === name && t.dataset.source === source);
  return parleyProbe.look(tile?.querySelector('video'));
}"""

# For the message of a test that waited in vain: what the page knows of others' pictures and what arrives of them.
KNOWN = """async () => ({
  media: __parley.media(), phase: __parley.phase().name, seats: __parley.view().seats,
  people: __parley.view().participants.map((p) => [p.name, p.tracks]),
  tiles: [...document.querySelectorAll("[data-testid='tile']")]
    .map((t) => ({...t.dataset, video: !!t.querySelector('video')})),
  inbound: (await parleyProbe.inbound()).filter((r) => r.packetsReceived).map((r) => ({
    kind: r.kind, mid: r.mid, packets: r.packetsReceived, lost: r.packetsLost, frames: r.framesDecoded,
    keys: r.keyFramesDecoded, plis: r.pliCount})),
})"""


class Person:
    """One browser tab and who sits before it."""

    def __init__(self, name: str, page: Page, url: str) -> None:
        self.name = name
        self.page = page
        self.url = url

    # --- coming and going ---------------------------------------------------------------------------------------

    def sign_in(self, username: str, password: str) -> None:
        """Cookies of an account, without the sign-in page."""
        self.page.goto(self.url + "/login")
        status = self.page.evaluate(
            """async (body) => (await fetch('/api/v1/auth/login', {method: 'POST',
                 headers: {'Content-Type': 'application/json'}, body: JSON.stringify(body)})).status""",
            {"login": username, "password": password, "session": "cookie"},
        )
        assert status == 200, status

    def join(self, code: str, passcode: str | None = None) -> None:
        """From the link to the room."""
        self.tries_to_join(code, passcode)
        self.is_in_the_room()

    def tries_to_join(self, code: str, passcode: str | None = None) -> None:
        """From the link to the click on the button."""
        self.page.goto(f"{self.url}/{code}")
        self._fills_the_form_and_joins(passcode)

    def joins_from_here(self) -> None:
        """From the page of the link, opened or reloaded before, to the room."""
        self._fills_the_form_and_joins(None)
        self.is_in_the_room()

    def _fills_the_form_and_joins(self, passcode: str | None) -> None:
        self._wait_for("join-button")
        if self._has("name-input"):
            self.page.fill("name-input", self.name)
        if passcode is not None:
            self.page.fill("passcode-input", passcode)
        self.page.click("join-button")

    def stays_out(self) -> None:
        """The page says why it cannot join, and there is no room."""
        self.page.wait_for(f"() => !!document.querySelector(`{REFUSALS}`)")
        assert not self._has("room")

    def cannot_join(self, code: str) -> None:
        """The link does not lead into the room any more."""
        self.page.goto(f"{self.url}/{code}")
        self.page.wait_for(
            "() => !!document.querySelector(`[data-testid='join-button'],[data-testid^='screen-']`)"
        )
        if self._has("join-button"):
            self._fills_the_form_and_joins(None)
            self.page.wait_for(f"() => !!document.querySelector(`{REFUSALS}`)")
        assert not self._has("room")

    def is_in_the_room(self, within_s: float = 45.0) -> None:
        """The room is on the screen and the media connection stands."""
        self._wait_for("room", within_s)
        self.page.wait_for(
            "() => document.querySelector(`[data-testid='room']`)?.dataset.phase === 'joined'", within_s=within_s
        )
        self.page.wait_for(
            "() => parleyProbe.connections.some((c) => c.connectionState === 'connected')", within_s=within_s
        )

    def leave(self) -> None:
        self.page.click("leave-button")
        if self._has("leave-menu"):  # hosts are asked whether for all
            self.page.click("leave-confirm")
        self.sees_screen("left")

    def ends_for_all(self) -> None:
        """As host: leave and take everybody along."""
        self.page.click("leave-button")
        self.page.click("end-for-all")
        self._wait_until_gone("room")

    def is_told_about_reconnecting(self, within_s: float = 45.0) -> None:
        self._wait_for("reconnecting", within_s=within_s)

    def is_connected_again(self, within_s: float) -> None:
        """The notice is gone and a media connection stands."""
        self._wait_until_gone("reconnecting", within_s=within_s)
        self.is_in_the_room()

    def sees_screen(self, what: str, within_s: float = 45.0) -> None:
        """The page shows the screen of how the meeting ended for this person: kicked, ended, left, full."""
        self._wait_for(f"screen-{what}", within_s=within_s)

    # --- seeing and hearing -------------------------------------------------------------------------------------

    def look(self, name: str, source: str = "camera") -> dict[str, Any] | None:
        """What the picture of a person looks like now; None while there is none."""
        found: dict[str, Any] | None = self.page.evaluate(VIDEO_OF, {"name": name, "source": source})
        return found

    def sees(self, name: str, colour: str | None = None, *, source: str = "camera", within_s: float = 45.0) -> None:
        """The picture of ``name`` is there, in the colour of that person's camera, and it moves."""
        deadline = time.monotonic() + within_s
        seen: set[int] = set()
        last = None
        while len(seen) < 3:
            last = self.look(name, source)
            if last and (colour is None or alike(last["rgb"], COLOURS[colour])):
                seen.add(last["fingerprint"])
            assert time.monotonic() < deadline, (
                f"{self.name} does not see {name} move within {within_s} s: {len(seen)} pictures, last {last}; "
                f"the page knows {self.page.evaluate(KNOWN)}"
            )
            self.pause(0.15)

    def does_not_see(self, name: str, *, source: str = "camera", within_s: float = 45.0) -> None:
        """No tile shows that picture any more."""
        self.page.wait_for(
            """({name, source}) => ![...document.querySelectorAll("[data-testid='tile']")]
                 .some((t) => t.dataset.name === name && t.dataset.source === source && t.querySelector('video'))""",
            {"name": name, "source": source},
            within_s=within_s,
        )

    def sees_people(self, names: Sequence[str], within_s: float = 45.0) -> None:
        """Exactly these others have a tile."""
        self.page.wait_for(
            """(names) => JSON.stringify([...new Set([...document.querySelectorAll("[data-testid='tile']")]
                 .map((t) => t.dataset.name))].sort()) === JSON.stringify(names)""",
            sorted(names),
            within_s=within_s,
        )

    def received(self) -> dict[str, float]:
        """Sums over everything that this page receives; see probe.js."""
        sums: dict[str, float] = self.page.evaluate("() => parleyProbe.received()")
        return sums

    def hears_something(self, within_s: float = 45.0) -> None:
        """Sound with energy arrives and is decoded."""
        deadline = time.monotonic() + within_s
        while self._energy_in(1.0) < AUDIBLE**2:
            assert time.monotonic() < deadline, f"{self.name} hears nothing within {within_s} s"

    def hears_nothing(self, for_s: float = 2.0, within_s: float = 45.0) -> None:
        """What arrives is silent for a while."""
        deadline = time.monotonic() + within_s
        while (energy := self._energy_in(for_s)) > AUDIBLE**2 / 100:
            assert time.monotonic() < deadline, f"{self.name} still hears something: {energy}"

    def _energy_in(self, seconds: float) -> float:
        """Energy (square of the level, times seconds) that was decoded in a span, all voices together."""
        before = self.received()["audioEnergy"]
        self.pause(seconds)
        return self.received()["audioEnergy"] - before

    def sees_muted(self, name: str, *, muted: bool = True) -> None:
        """The tile of ``name`` shows the microphone as muted (or not)."""
        self.page.wait_for(
            """({name, muted}) => [...document.querySelectorAll("[data-testid='tile'][data-source='camera']")]
                 .some((t) => t.dataset.name === name && t.dataset.muted === String(muted))""",
            {"name": name, "muted": muted},
        )

    def is_told_of_the_recording(self, *, on: bool = True, within_s: float = 45.0) -> None:
        """The room shows that it is being recorded (or no more)."""
        self.page.wait_for(
            """(on) => !!document.querySelector("[data-testid='chip-recording'][data-state='on']") === on""",
            on,
            within_s=within_s,
        )

    def is_told_of_captions(self, *, on: bool = True, within_s: float = 45.0) -> None:
        """The room shows that what is said is transcribed (or no more)."""
        self.page.wait_for(
            """(on) => !!document.querySelector("[data-testid='chip-captions'][data-state='on']") === on""",
            on,
            within_s=within_s,
        )

    def reads(self, text: str, within_s: float = 45.0) -> None:
        """A chat line with this text is on the screen."""
        self.page.wait_for(
            """(text) => [...document.querySelectorAll("[data-testid='chat-message']")]
                 .some((line) => line.innerText.includes(text))""",
            text,
            within_s=within_s,
        )

    def has_microphone(self, *, on: bool) -> None:
        """One's own control shows the microphone as on or off."""
        self.page.wait_for(
            "(on) => document.querySelector(`[data-testid='mic-toggle']`).ariaPressed === String(on)", on
        )

    # --- acting -------------------------------------------------------------------------------------------------

    def press(self, control: str) -> None:
        """One of the control bar: mic, camera, share, hand, layout, people, chat; on a phone some are under "more"."""
        if not self._has(f"{control}-toggle"):
            self.page.click("more-toggle")
        self.page.click(f"{control}-toggle")

    def say(self, text: str) -> None:
        """Into the chat, whose panel is open."""
        self.page.fill("chat-input", text)
        self.page.click("chat-send")

    def mutes(self, name: str) -> None:
        """As host, in the open list of people."""
        self._on_person(name, "person-mute")

    def kicks(self, name: str) -> None:
        """As host, in the open list of people; confirms."""
        self._on_person(name, "person-kick")
        self.page.click("kick-confirm")

    def _on_person(self, name: str, action: str) -> None:
        """Open the menu of a row of the list and choose."""
        self.page.wait_for(
            """(name) => {
                 const rows = [...document.querySelectorAll("[data-testid='person']")];
                 const row = rows.find((r) => r.innerText.includes(name));
                 const menu = row?.querySelector("[data-testid='person-menu']");
                 menu?.click();
                 return !!menu;
               }""",
            name,
        )
        self.page.click(action)

    def expects_console(self, *patterns: str) -> None:
        """Errors in the console that the test brought about."""
        self.page.forget_console_errors(*patterns)

    def _has(self, test_id: str) -> bool:
        return bool(self.page.evaluate("(id) => !!document.querySelector(`[data-testid='${id}']`)", test_id))

    def _wait_for(self, test_id: str, within_s: float = 45.0) -> None:
        self.page.wait_for("(id) => !!document.querySelector(`[data-testid='${id}']`)", test_id, within_s=within_s)

    def _wait_until_gone(self, test_id: str, within_s: float = 45.0) -> None:
        self.page.wait_for("(id) => !document.querySelector(`[data-testid='${id}']`)", test_id, within_s=within_s)

    def pause(self, seconds: float) -> None:
        """Let the page go on for a while."""
        self.page.evaluate("(ms) => new Promise((done) => setTimeout(() => done(1), ms))", seconds * 1000)


def alike(rgb: Sequence[int], wanted: Sequence[int]) -> bool:
    return all(abs(a - b) <= COLOUR_TOLERANCE for a, b in zip(rgb, wanted, strict=True))


def new_meeting(host: HttpClient, **draft: object) -> dict[str, Any]:
    """A meeting by the API; its ``code`` is the link."""
    meeting: dict[str, Any] = host.post("/meetings", {"title": "Weekly", **draft})
    return meeting
