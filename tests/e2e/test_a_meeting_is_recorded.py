"""Three people meet and are recorded: one film, everybody in a tile, lips and voices together, every track."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from tests.e2e.person import Person, new_meeting
from tests.support import film
from tests.support.media import COLOURS
from tests.support.processed import processed
from tests.support.server import Server

SCRIPT = (Path(film.__file__).parent / "beep_flash.js").read_text()
TONES = {"red": 440.0, "green": 660.0, "blue": 880.0}
RECORDED_S = 8.0


def _beeps(person: Person, colour: str) -> None:
    """Give a person the camera and microphone that flash and beep."""
    setting = f"window.beepFlash = {{rgb: {list(COLOURS[colour])}, hz: {TONES[colour]}}};"
    person.page.playwright.context.add_init_script(setting + SCRIPT)  # type: ignore[attr-defined]


def test_a_meeting_of_three_is_recorded(server: Server, people: Callable[..., Person], tmp_path: Path) -> None:
    host = server.client().register("ana", "Ana")
    meeting = new_meeting(host)
    ana, ben, cleo = people("Ana", "red"), people("Ben", "green"), people("Cleo", "blue")
    for person, colour in ((ana, "red"), (ben, "green"), (cleo, "blue")):
        _beeps(person, colour)
    for person in (ana, ben, cleo):
        person.join(meeting["code"])
    for name, colour in (("Ben", "green"), ("Cleo", "blue")):
        ana.sees(name, colour)

    asked_start = time.monotonic()
    started = host.post("/recordings", {"meeting_id": meeting["id"], "layout": "grid"})
    began = time.monotonic()
    for person in (ana, ben, cleo):
        person.is_told_of_the_recording()
    time.sleep(RECORDED_S)
    took = time.monotonic() - began
    host.post(f"/recordings/{started['id']}/stop", {})
    longest = time.monotonic() - asked_start
    drawn_late = {
        colour: np.median(person.page.evaluate("window.beepFlashLate")[-int(RECORDED_S) :])
        for person, colour in ((ana, "red"), (ben, "green"), (cleo, "blue"))
    }
    for person in (ana, ben, cleo):
        person.is_told_of_the_recording(on=False)

    recording = processed(host, started["id"])
    assert recording["status"] == "ready", recording
    assert took - 0.5 < recording["duration_s"] < longest + 0.5
    path = tmp_path / "meeting.mp4"
    path.write_bytes(host.download(f"/recordings/{started['id']}/file"))
    seen = film.read(path)
    assert abs(seen.times[-1] - recording["duration_s"]) < 0.5

    boxes = {}
    for colour in TONES:
        boxes[colour] = box = seen.area(COLOURS[colour], 3.0, took - 1)
        assert box is not None, f"{colour} is nowhere"
        flashes = seen.flashes(box, 3.0, took - 0.5)
        beeps = seen.beeps(TONES[colour], 2.5, took)
        assert len(flashes) >= 3 and len(beeps) >= 3, (colour, flashes, beeps)
        late = film.lateness(flashes, beeps) - drawn_late[colour]
        print(f"{colour}: flashes against beeps {np.round(late * 1000)} ms, drawn late by {drawn_late[colour]:.3f} s")
        assert abs(np.median(late)) < 0.040, (colour, late, drawn_late[colour])
    corners = [(box[0], box[1]) for box in boxes.values() if box is not None]
    assert len(set(corners)) == 3

    names = {(t["name"], t["source"]) for t in recording["tracks"]}
    assert names == {(name, source) for name in ("Ana", "Ben", "Cleo") for source in ("microphone", "camera")}
    for track in recording["tracks"]:
        data = host.download(f"/recordings/{started['id']}/tracks/{track['id']}")
        assert len(data) == track["size_bytes"] > 1000
    assert recording["has_thumbnail"]
    assert host.download(f"/recordings/{started['id']}/thumbnail")[:2] == b"\xff\xd8"
