"""Pictures are analysed of who agreed: everybody is asked, may decline, and hosts see who did; alerts have evidence.

Real weights in the server's own worker, and one camera that shows a face. That a model suspects a picture is asserted
elsewhere: here an alert is put where it would be.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import av
import pytest
from playwright.sync_api import Playwright

from appliance.ai.pictures import cropped, decode_picture_untrusted
from appliance.inference.task import LoadedModel
from tests.e2e.person import Person, new_meeting
from tests.support import ai_models
from tests.support.browser import chromium, wait_until
from tests.support.http_client import PASSWORD
from tests.support.kept_analysis import keep_alert, keep_emotions
from tests.support.kept_transcript import keep_transcript
from tests.support.media import media
from tests.support.server import Server, running_server

MODELS = ("blazeface", "emotion", "face-spoof")

MARK = """({name, kind}) => {
  const row = [...document.querySelectorAll(`[data-testid='person']`)].find((one) => one.innerText.includes(name));
  const mark = row?.querySelector(`[data-testid='emotion-mark']`);
  return kind === null ? row && !mark : mark?.dataset.kind === kind;
}"""
TILE_MARK = """(name) => document
  .querySelector(`[data-testid='tile'][data-name='${name}'] [data-testid='emotion-mark']`)?.dataset.kind"""
TILE_WORDS = """({name, label}) => document
  .querySelector(`[data-testid='tile'][data-name='${name}'] [data-testid='emotion-mark'][data-label='${label}']`)
  ?.textContent"""
THERE = "(id) => !!document.querySelector(`[data-testid='${id}']`)"
GONE = "(id) => !document.querySelector(`[data-testid='${id}']`)"
CONSENT = "(wanted) => document.querySelector(`[data-testid='vision-mine']`)?.dataset.consent === wanted"
LOADED = "() => document.querySelector(`[data-testid='evidence-picture']`)?.naturalWidth"
LANES = """() => [...document.querySelectorAll(`[data-testid='report-emotion']`)]
  .map((row) => [row.dataset.label, row.innerText.match(/\\d+%/)[0]])"""


@pytest.fixture(scope="module")
def vision_models() -> list[LoadedModel]:
    """Fetched while there is a network."""
    return [ai_models.model(name) for name in MODELS]


@pytest.fixture(scope="module")
def face_camera(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A smiling face for four seconds, y4m, 320 by 180 at 15 frames a second."""
    path = tmp_path_factory.mktemp("camera") / "face.y4m"
    face = decode_picture_untrusted(ai_models.data_file("astronaut").read_bytes())
    picture = cropped(face, (64, 20, 384, 200))
    planes = av.VideoFrame.from_ndarray(picture, "rgb24").reformat(format="yuv420p").to_ndarray().tobytes()
    path.write_bytes(b"YUV4MPEG2 W320 H180 F15:1 Ip A1:1 C420jpeg\n" + (b"FRAME\n" + planes) * 60)
    return path


@pytest.fixture
def server(vision_models: list[LoadedModel], lab: None, tmp_path: Path) -> Iterator[Server]:
    """One with the models installed that look at faces."""
    models = tmp_path / "models"
    for model in vision_models:
        shutil.copytree(model.folder, models / f"{model.entry.name}@{model.entry.version}")
    with running_server(tmp_path / "server", {"PARLEY_MODELS__FOLDER": str(models)}) as running:
        yield running


def _marks(person: Person, name: str, kind: str | None) -> None:
    """The open list of people says so of somebody; None: nothing."""
    person.page.wait_for(MARK, {"name": name, "kind": kind}, within_s=60)


def test_everybody_is_asked_and_may_decline(server: Server, people: Callable[..., Person]) -> None:
    meeting = new_meeting(server.client().register("ana", "Ana"))
    ana, ben = people("Ana", "red"), people("Ben", "green")
    ana.sign_in("ana", PASSWORD)
    ana.join(meeting["code"])
    ben.join(meeting["code"])
    assert ben.page.evaluate(GONE, "chip-vision")
    ana.press("people")
    ana.page.click("more-toggle")
    ana.page.click("vision-open")
    ana.page.click("vision-emotion")

    for person, answer in ((ana, "vision-agree"), (ben, "vision-decline")):
        person.page.wait_for(THERE, "vision-consent", within_s=60)
        person.page.playwright.keyboard.press("Escape")  # type: ignore[attr-defined]
        assert person.page.evaluate(THERE, "vision-consent")  # only an answer closes it
        person.page.click(answer)
        person.page.wait_for(THERE, "chip-vision")
    ana.page.wait_for(CONSENT, "agreed")
    ana.page.playwright.keyboard.press("Escape")  # type: ignore[attr-defined]
    _marks(ana, "Ben", "declined")
    ana.page.wait_for(TILE_MARK, "Ben")
    ben.press("people")
    _marks(ben, "Ben", "declined")
    _marks(ben, "Ana", None)  # of others, only hosts see it

    ben.page.click("chip-vision")
    ben.page.wait_for(CONSENT, "declined")
    ben.page.click("vision-choice")
    ana.page.wait_for(
        """(name) => {
             const { participants, vision } = __parley.view();
             const { participant_id } = participants.find((one) => one.name === name);
             return vision.consented.includes(participant_id) && !vision.declined.includes(participant_id);
           }""",
        "Ben",
    )
    ben.page.click("vision-choice")
    _marks(ana, "Ben", "declined")

    ana.page.click("chip-vision")
    ana.page.click("vision-emotion")
    for person in (ana, ben):
        person.page.wait_for(GONE, "chip-vision")


def test_hosts_and_the_person_see_the_expression(
    server: Server, people: Callable[..., Person], playwright: Playwright, face_camera: Path
) -> None:
    meeting = new_meeting(server.client().register("ana", "Ana"), emotion_detection=True)
    ana, cleo = people("Ana", "red"), people("Cleo", "green")
    ana.sign_in("ana", PASSWORD)
    ana.page.goto(f"{server.url}/{meeting['code']}")
    ana.page.click("prejoin-vision-agree")
    ana.joins_from_here()
    cleo.page.goto(f"{server.url}/{meeting['code']}")
    cleo.page.click("prejoin-vision-decline")
    cleo.joins_from_here()
    with chromium(playwright, replace(media("blue"), camera=face_camera)) as browser:
        ben = Person("Ben", browser.new_page(), server.url)
        ben.page.goto(f"{server.url}/{meeting['code']}")
        ben.page.click("prejoin-vision-agree")
        ben.joins_from_here()
        words = ana.page.wait_for(TILE_WORDS, {"name": "Ben", "label": "happy"}, within_s=60)
        assert "Expression: Happy" in words
        ben.page.wait_for("() => document.querySelector(`[data-testid='self-tile'] [data-label='happy']`) && true")
        assert cleo.page.evaluate(TILE_MARK, "Ben") is None  # no host

        ben.page.click("chip-vision")
        ben.page.click("vision-choice")
        ana.page.wait_for("(name) => (" + TILE_MARK + ")(name) === 'declined'", "Ben")
        ben.page.close()


def test_who_comes_is_asked_before_the_room(server: Server, people: Callable[..., Person]) -> None:
    meeting = new_meeting(server.client().register("ana", "Ana"), emotion_detection=True)
    ana, ben = people("Ana", "red"), people("Ben", "green")
    ana.sign_in("ana", PASSWORD)
    ana.page.goto(f"{server.url}/{meeting['code']}")
    ana.page.click("prejoin-vision-agree")
    ana.joins_from_here()
    ana.press("people")
    ben.page.goto(f"{server.url}/{meeting['code']}")
    ben.page.click("prejoin-vision-decline")
    ben.joins_from_here()
    _marks(ana, "Ben", "declined")
    for person in (ana, ben):
        person.page.wait_for(THERE, "chip-vision")
        assert person.page.evaluate(GONE, "vision-consent")

    cleo = people("Cleo", "blue")
    cleo.join(meeting["code"])  # answers nothing before
    cleo.page.wait_for(THERE, "vision-consent")
    _marks(ana, "Cleo", "waiting")


def test_an_alert_leads_to_its_evidence(server: Server, people: Callable[..., Person]) -> None:
    account = server.client().register("ana", "Ana")
    meeting = new_meeting(account, deepfake_detection=True)
    ana = people("Ana", "red")
    ana.sign_in("ana", PASSWORD)
    ana.page.goto(f"{server.url}/{meeting['code']}")
    ana.page.click("prejoin-vision-agree")
    ana.joins_from_here()
    keep_alert(server.data_folder, meeting["id"], "Ben", at_ms=time.time_ns() // 1_000_000)
    ana.page.click("more-toggle")
    ana.page.click("alerts-toggle")
    ana.page.click("alert-look")
    assert ana.page.wait_for(LOADED) == 512
    text = ana.page.evaluate("() => document.querySelector(`[data-testid='evidence-dialog']`).innerText")
    for words in ("May be a picture of a picture", "Ben", "0.91", "face-spoof", "not a proof"):
        assert words in text
    ana.page.click("alert-dismiss")
    ana.page.wait_for(THERE, "alerts-empty")
    wait_until(
        lambda: not account.get(f"/meetings/{meeting['id']}/alerts")["alerts"], "the alert to be deleted", within_s=20
    )


def test_the_report_shows_expressions_to_hosts(server: Server, people: Callable[..., Person]) -> None:
    account = server.client().register("ana", "Ana")
    meeting = new_meeting(account, title="Library")
    now_ms = time.time_ns() // 1_000_000
    from_ms = now_ms - 3_600_000
    keep_transcript(server.data_folder, meeting["id"], from_ms=from_ms)
    spans = [(from_ms, from_ms + 30_000, "neutral"), (from_ms + 30_000, from_ms + 40_000, "happy")]
    keep_emotions(server.data_folder, meeting["id"], "Ben", spans)
    keep_alert(server.data_folder, meeting["id"], "Ben", kind="generated_picture", at_ms=from_ms + 60_000)
    account.post(f"/meetings/{meeting['id']}/end", {})
    path = f"/meetings/{meeting['id']}/report"
    wait_until(lambda: account.get(path)["status"] == "ready", "the report of the meeting", within_s=60)

    ana = people("Ana", "red")
    ana.sign_in("ana", PASSWORD)
    ana.page.goto(f"{server.url}/reports/{meeting['code']}")
    ana.page.wait_for(THERE, "report-emotions")
    assert ana.page.evaluate(LANES) == [["neutral", "75%"], ["happy", "25%"]]
    ana.page.click("alert-look")
    assert ana.page.wait_for(LOADED) == 512
    ana.page.click("alert-dismiss")
    ana.page.wait_for(GONE, "report-alerts")
