"""A host switches captions on, and everybody sees that, reads who says what, finds it again and may hide it.

Real weights (Moonshine) in the server's own worker; what is said is a synthetic voice, so no word of it is asserted.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.inference.task import LoadedModel
from tests.e2e.person import Person, new_meeting
from tests.support import ai_models
from tests.support.http_client import PASSWORD
from tests.support.server import Server, running_server

MODEL = "moonshine-tiny-en"

SHOWN = """(name) => [...document.querySelectorAll(`[data-testid='caption'][data-name='${name}'] [data-final='true']`)]
  .map((part) => part.innerText.trim()).join(' ')"""
LINES = """(id) => [...document.querySelectorAll(`[data-testid='transcript-line'][data-participant-id='${id}'] .text`)]
  .map((line) => line.innerText)"""


@pytest.fixture(scope="module")
def speech_model() -> LoadedModel:
    """Fetched while there is a network."""
    found: LoadedModel = ai_models.model(MODEL)
    return found


@pytest.fixture
def server(speech_model: LoadedModel, lab: None, tmp_path: Path) -> Iterator[Server]:
    """One with the speech model installed."""
    models = tmp_path / "models"
    entry = speech_model.entry
    shutil.copytree(speech_model.folder, models / f"{entry.name}@{entry.version}")
    with running_server(tmp_path / "server", {"PARLEY_MODELS__FOLDER": str(models)}) as running:
        yield running


def test_a_guest_reads_what_is_said(server: Server, people: Callable[..., Person]) -> None:
    meeting = new_meeting(server.client().register("ana", "Ana"))
    ana, ben = people("Ana", "red"), people("Ben", "green")
    ana.sign_in("ana", PASSWORD)
    ana.join(meeting["code"])
    ben.join(meeting["code"])
    ana.press("mic")  # only Ben speaks
    ana.press("captions")
    ana.page.click("captions-switch")
    for person in (ana, ben):
        person.is_told_of_captions(within_s=60)
    ana.page.click("captions-show")
    ana.page.click("captions-show")
    ana.page.playwright.keyboard.press("Escape")  # type: ignore[attr-defined]

    for person in (ana, ben):
        person.page.wait_for(SHOWN, "Ben", within_s=60)
    # Read aloud are finished phrases only, with the name.
    read = ana.page.wait_for("() => document.querySelector(`[data-testid='captions-read'] p`)?.innerText")
    assert read.startswith("Ben: "), read

    ben_id = ana.page.evaluate("() => __parley.view().participants.find((one) => one.name === 'Ben').participant_id")
    ana.page.click("more-toggle")
    ana.page.click("transcript-toggle")
    line = ana.page.wait_for(LINES, ben_id)[0]
    word = max(line.split(), key=len).strip(".,!?")
    ana.page.fill("transcript-search", word.upper())
    ana.page.wait_for(
        "(word) => document.querySelector(`[data-testid='transcript-panel'] mark.current`)?.innerText === word", word
    )

    ana.page.playwright.keyboard.press("Escape")  # type: ignore[attr-defined]
    ana.page.click("panel-close")
    ana.page.playwright.keyboard.press("c")  # type: ignore[attr-defined]
    ana.page.wait_for("() => !document.querySelector(`[data-testid='captions']`)")
    ben.page.wait_for(SHOWN, "Ben", within_s=60)  # hidden for Ana alone

    late = people("Cleo", "blue")
    late.page.goto(f"{server.url}/{meeting['code']}")
    late.page.wait_for("() => !!document.querySelector(`[data-testid='prejoin-captions']`)")

    ana.page.click("chip-captions")
    ana.page.click("captions-switch")
    for person in (ana, ben):
        person.is_told_of_captions(on=False)
    ana.page.goto(server.url + "/home")
    ana.page.click("meeting-transcript")
    assert word in ana.page.wait_for(
        "() => document.querySelector(`[data-testid='transcript-dialog'] [data-testid='transcript-line']`)?.innerText"
    )
