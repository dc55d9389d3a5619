"""A meeting that has ended has a report: the page shows who said what, and leads to the moment in the transcript."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.e2e.person import Person, new_meeting
from tests.support.browser import wait_until
from tests.support.http_client import PASSWORD
from tests.support.kept_transcript import REVIEW, keep_transcript
from tests.support.server import Server

TEXTS = "(part) => [...document.querySelectorAll(`[data-testid='${part}'] blockquote`)].map((one) => one.innerText)"
STATUS = "(wanted) => document.querySelector(`[data-testid='report']`)?.dataset.status === wanted"
JUMP = "() => document.querySelector(`[data-testid='report-decisions'] [data-testid='report-jump']`).click()"
SPEAKERS = """() => [...document.querySelectorAll(`[data-testid='report-speaker'] .name`)]
  .map((name) => name.innerText)"""
SOUGHT = """() => {
  const line = document.querySelector(`[data-testid='transcript-line'][aria-current='true']`);
  const list = line?.parentElement.getBoundingClientRect(), box = line?.getBoundingClientRect();
  return line && box.top >= list.top && box.bottom <= list.bottom ? line.querySelector('.text').innerText : null;
}"""


def test_the_end_of_a_meeting_brings_its_report(server: Server, people: Callable[..., Person]) -> None:
    account = server.client().register("ana", "Ana")
    meeting = new_meeting(account, title="Library")
    aside = [("Cleo", f"Number {n} of the many things that were also said.") for n in range(40)]
    now_ms = time.time_ns() // 1_000_000
    keep_transcript(server.data_folder, meeting["id"], from_ms=now_ms - 3_600_000, lines=[*REVIEW, *aside])
    ana = people("Ana", "red")
    ana.sign_in("ana", PASSWORD)
    ana.page.goto(f"{server.url}/reports/{meeting['code']}")
    ana.sees_screen("report-none")
    account.post(f"/meetings/{meeting['id']}/end", {})
    path = f"/meetings/{meeting['id']}/report"
    wait_until(lambda: account.get(path)["status"] == "ready", "the report of the meeting", within_s=60)

    ana.page.goto(server.url + "/home")
    ana.page.click("meeting-transcript")
    ana.page.click("transcript-report")
    decisions = ana.page.wait_for(TEXTS, "report-decisions")
    assert decisions == ["Then we agreed to take the smaller windows and to keep the wide stairs."]
    assert "I'll send the list of the windows to the supplier by Friday." in ana.page.evaluate(TEXTS, "report-actions")
    said = "\n".join(text for _, text in [*REVIEW, *aside])
    summary = ana.page.evaluate(TEXTS, "report-summary")
    assert 3 <= len(summary) <= 8 and all(text in said for text in summary)
    speakers = ana.page.evaluate(SPEAKERS)
    assert set(speakers) == {"Ana", "Ben", "Cleo", "陈小明"} and speakers[0] == "Cleo"

    ana.page.evaluate(JUMP)
    assert ana.page.wait_for(SOUGHT) == decisions[0]
    ana.page.playwright.keyboard.press("Escape")  # type: ignore[attr-defined]

    ana.page.click("report-make")
    wait_until(lambda: account.get(path)["status"] == "ready", "the report once more", within_s=60)
    ana.page.wait_for(STATUS, "ready")
    assert decisions[0] in account.download(f"{path}?format=md").decode()
    ana.page.goto(server.url + "/home")
    ana.page.click("meeting-report")
    ana.page.wait_for(STATUS, "ready")
