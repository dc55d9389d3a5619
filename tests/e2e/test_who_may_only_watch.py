"""Where only hosts may download: a participant's page plays the film and offers nothing to save, and so with a link."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.e2e.person import Person, new_meeting
from tests.support.browser import wait_until
from tests.support.http_client import PASSWORD, ApiError
from tests.support.server import Server

RECORDED_S = 3.0
PLAYS = "() => document.querySelector(`[data-testid='recording-video']`)?.readyState >= 2"
OFFERS = """() => ['recording-download', 'recording-tracks', 'track-download', 'recording-watch-only'].filter(
    (id) => document.querySelector(`[data-testid='${id}']`) !== null)"""
CONTROLS = "() => document.querySelector(`[data-testid='recording-video']`).getAttribute('controlslist')"


def choose(person: Person, test_id: str, value: str) -> None:
    """Another entry of a select."""
    person.page.evaluate(
        """([id, value]) => { const box = document.querySelector(`[data-testid='${id}']`); box.value = value;
            box.dispatchEvent(new Event('change', {bubbles: true})); }""",
        [test_id, value],
    )


def gone(person: Person, test_id: str) -> None:
    person.page.wait_for(f"() => document.querySelector(`[data-testid='{test_id}']`) === null")


def test_a_participant_watches_and_a_host_downloads(server: Server, people: Callable[..., Person]) -> None:
    host = server.client().register("ana", "Ana")
    bea_client = server.client().register("bea", "Bea")
    meeting = new_meeting(host)
    ana, bea, guest = people("Ana", "red"), people("Bea", "red"), people("Gus", "red")
    for person, login in ((ana, "ana"), (bea, "bea")):
        person.sign_in(login, PASSWORD)
    # the form of a meeting, as its host fills it in
    ana.page.goto(server.url + "/home")
    ana.page.click("meeting-menu")
    ana.page.click("meeting-edit")
    choose(ana, "recording-access", "participants")
    choose(ana, "recording-download-rule", "hosts")
    ana.page.click("schedule-save")
    gone(ana, "schedule-dialog")
    settings = host.get(f"/meetings/{meeting['id']}")["settings"]
    assert (settings["recording_access"], settings["recording_download"]) == ("participants", "hosts")

    for person in (ana, bea):
        person.join(meeting["code"])
    recording = host.post("/recordings", {"meeting_id": meeting["id"]})["id"]
    time.sleep(RECORDED_S)
    host.post(f"/recordings/{recording}/stop")
    path = f"/recordings/{recording}"
    wait_until(lambda: host.get(path)["status"] == "ready", "the film", within_s=180)

    for person, offers, controls in (
        (ana, ["recording-download", "recording-tracks", "track-download"], None),
        (bea, ["recording-watch-only"], "nodownload"),
    ):
        person.page.goto(server.url + path)
        person.page.wait_for(PLAYS)
        assert person.page.evaluate(OFFERS) == offers, person.name
        assert person.page.evaluate(CONTROLS) == controls, person.name
    assert bea_client.download(f"{path}/file")[4:8] == b"ftyp"  # what the player asks for
    for tail in ("file?download=1", "captions.srt"):
        with pytest.raises(ApiError) as refused:
            bea_client.download(f"{path}/{tail}")
        assert refused.value.status == 403

    # the host's link proposes watching only, and downloads where the box is ticked
    for ticked in (False, True):
        ana.page.goto(server.url + path)
        ana.page.wait_for(PLAYS)
        ana.page.click("recording-share")
        if ticked:
            ana.page.click("share-download")
        ana.page.click("share-create")
        link = ana.page.wait_for("() => document.querySelector(`[data-testid='share-link']`)?.value")
        guest.page.goto(link)
        guest.page.wait_for(PLAYS)
        assert guest.page.evaluate(OFFERS) == (["recording-download"] if ticked else ["recording-watch-only"])
        assert guest.page.evaluate(CONTROLS) == (None if ticked else "nodownload")

    # when the meeting is over, its host still says who may
    host.post(f"/meetings/{meeting['id']}/end")
    ana.page.goto(server.url + "/home")
    ana.page.click("meeting-menu")
    ana.page.click("meeting-recording-rules")
    choose(ana, "recording-download-rule", "everyone")
    ana.page.click("recording-rules-save")
    gone(ana, "recording-rules-dialog")
    bea.page.goto(server.url + path)
    bea.page.wait_for(PLAYS)
    assert "recording-download" in bea.page.evaluate(OFFERS)
