"""Somebody looks for words that were said: in every meeting that is open to them, up to the line and the film."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from appliance.store.database import SQLITE_FILE
from tests.e2e.person import Person, new_meeting
from tests.support.http_client import PASSWORD
from tests.support.kept_transcript import EACH_MS, keep_transcript
from tests.support.server import Server

FOUND = """(query) => document.querySelector(`[data-testid='search-results']`)?.dataset.query === query
  ? [...document.querySelectorAll(`[data-testid='search-group']`)].map((group) => [group.querySelector('h2').innerText,
      ...[...group.querySelectorAll(`[data-testid='found-text']`)].map((one) => one.innerText)])
  : null"""
LISTS = "(wanted) => document.querySelectorAll(`[data-testid='found-phrase']`).length === wanted"
MARKED = "() => [...document.querySelectorAll(`[data-testid='found-text'] mark`)].map((one) => one.innerText)"
CHOOSE = """([part, text]) => {
  const select = document.querySelector(`[data-testid='${part}']`);
  select.value = [...select.options].find((one) => one.text === text).value;
  select.dispatchEvent(new Event('change', {bubbles: true}));
}"""
SOUGHT = """() => {
  const line = document.querySelector(`[data-testid='transcript-line'][aria-current='true']`);
  const list = line?.parentElement.getBoundingClientRect(), box = line?.getBoundingClientRect();
  return line && box.top >= list.top && box.bottom <= list.bottom ? line.querySelector('.text').innerText : null;
}"""
WATCH = "() => document.querySelector(`[data-testid='found-watch']`)?.getAttribute('href')"
INVALID = "() => document.querySelector(`[data-testid='search-text']`)?.getAttribute('aria-invalid') === 'true'"
ASIDE = [("Cleo", f"Number {n} of the many things that were also said.") for n in range(40)]


def _watchable(data_folder: Path, meeting_id: str, from_ms: int, seconds: int) -> str:
    """A row as of a recording whose film is made; its id."""
    ident = f"rec_{meeting_id.removeprefix('mtg_')}"
    row = {
        "id": ident, "meeting_id": meeting_id, "status": "ready", "layout": "speaker", "started_at_ms": from_ms,
        "stopped_at_ms": from_ms + seconds * 1000, "stop_reason": "asked", "duration_ms": seconds * 1000,
        "video_key": f"recordings/{ident}/film.mp4", "video_type": "video/mp4", "bytes": 1000, "node": "here",
        "title": "Plan", "recovered": False, "tracks": "[]", "chapters": "[]", "has_journals": False, "run": 1,
    }  # fmt: skip
    connection = sqlite3.connect(data_folder / SQLITE_FILE, timeout=10)
    try:
        with connection:
            places = ", ".join("?" * len(row))
            connection.execute(f"INSERT INTO recordings ({', '.join(row)}) VALUES ({places})", [*row.values()])
    finally:
        connection.close()
    return ident


def test_words_are_found_in_every_meeting_that_is_open_to_somebody(
    server: Server, people: Callable[..., Person]
) -> None:
    server.administrator()
    account = server.client().register("ana", "Ana")
    stranger = server.client().register("emil", "Emil")
    from_ms = time.time_ns() // 1_000_000 - 7_200_000
    plan, review, other = (
        new_meeting(host, title=title)["id"]
        for host, title in ((account, "Plan"), (account, "Review"), (stranger, "Elsewhere"))
    )
    lines = [("Ana", "The budget is <b>fixed</b>."), ("陈小明", "我下午把新的预算发给大家。"), *ASIDE]
    keep_transcript(server.data_folder, plan, from_ms=from_ms, lines=lines)
    keep_transcript(server.data_folder, review, from_ms=from_ms + 1_800_000, lines=[("Ben", "A Budget again: 预算")])
    keep_transcript(server.data_folder, other, from_ms=from_ms, lines=[("Emil", "My own budget, 预算")])
    film = _watchable(server.data_folder, plan, from_ms - 5_000, 1_800)

    ana = people("Ana", "red")
    ana.page.goto(server.url + "/transcripts")
    ana.page.wait_for("() => location.pathname === '/login'")
    ana.sign_in("ana", PASSWORD)
    ana.page.goto(server.url + "/home")
    ana.page.click("home-transcripts")
    ana.page.fill("search-text", "budget")
    ana.page.playwright.keyboard.press("Enter")  # type: ignore[attr-defined]
    both = [["Review", "A Budget again: 预算"], ["Plan", "The budget is <b>fixed</b>."]]
    assert ana.page.wait_for(FOUND, "budget") == both
    assert ana.page.evaluate(MARKED) == ["Budget", "budget"]
    assert ana.page.evaluate("() => location.search") == "?q=budget"

    ana.page.fill("search-text", "预算")
    ana.page.click("search-go")
    assert ana.page.wait_for(FOUND, "预算") == [both[0], ["Plan", lines[1][1]]]
    ana.page.evaluate(CHOOSE, ["search-speaker", "陈小明"])
    ana.page.wait_for(LISTS, 1)
    assert ana.page.wait_for(FOUND, "预算") == [["Plan", lines[1][1]]]
    assert ana.page.wait_for(WATCH) == f"/recordings/{film}?t={5 + EACH_MS // 1000 - 2}"
    ana.page.click("found-read")
    assert ana.page.wait_for(SOUGHT) == lines[1][1]
    ana.page.playwright.keyboard.press("Escape")  # type: ignore[attr-defined]
    ana.page.evaluate("() => history.back()")
    ana.page.wait_for(LISTS, 2)
    ana.page.evaluate(CHOOSE, ["search-meeting", "Review"])
    ana.page.wait_for(LISTS, 1)
    assert ana.page.wait_for(FOUND, "预算") == [both[0]]

    ana.page.goto(server.url + "/transcripts?q=Number")
    ana.page.wait_for(LISTS, 30)
    ana.page.click("search-more")
    ana.page.wait_for(LISTS, 40)
    ana.page.goto(server.url + "/transcripts?q=nobody+said+this")
    ana.page.wait_for("() => !!document.querySelector(`[data-testid='search-none']`)")
    ana.page.goto(server.url + f"/transcripts?q={'x' * 201}")
    ana.page.wait_for(INVALID)
    ana.expects_console("400")
