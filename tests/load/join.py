"""How long joining takes: from the click on the button to the first picture of somebody else, in a real Chromium.

One person is in the meeting with camera and microphone; another joins and leaves again and again, each time in a fresh
browser context (nothing cached, new keys, new ICE). Server and browser share this machine and run in a network
namespace of their own. Also measures the server's CPU for each join, less what forwarding to the one person costs.

    python tests/load/join.py [--quick]        needs root, chromium, espeak-ng
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import sync_playwright  # noqa: E402

from tests.e2e.person import Person, new_meeting  # noqa: E402
from tests.support.browser import Chromium, chromium  # noqa: E402
from tests.support.media import media  # noqa: E402
from tests.support.netns import network_namespace  # noqa: E402
from tests.support.server import Server, running_server  # noqa: E402

JOINS = 30
QUICK_JOINS = 10  # 50 s less the start of server and browser, at three seconds a join on a busy machine

# Installed before the click: the time of the click and of the first frame that a remote <video> presents.
WATCH = """() => {
  window.joinTimes = {};
  addEventListener('click', (event) => {
    if (event.target.closest("[data-testid='join-button']")) window.joinTimes.click ??= performance.now();
  }, true);
  const seen = new WeakSet();
  const look = () => {
    for (const video of document.querySelectorAll("[data-testid='tile'] video")) {
      const tile = video.closest("[data-testid='tile']");
      if (seen.has(video) || tile.dataset.name !== 'Ana') continue;
      seen.add(video);
      video.requestVideoFrameCallback((now) => { window.joinTimes.frame ??= now; });
    }
    if (window.joinTimes.frame === undefined) requestAnimationFrame(look);
  };
  look();
}"""


@dataclass(frozen=True)
class Join:
    """One measured join."""

    seconds: float
    server_cpu_s: float


def _join_once(browser: Chromium, server: Server, code: str, number: int, idle_cpu_share: float) -> Join:
    person = Person(f"Guest {number}", browser.new_page(), server.url)
    try:
        person.page.goto(f"{server.url}/{code}")
        person.page.wait_for("() => !!document.querySelector(`[data-testid='name-input']`)")
        person.page.fill("name-input", person.name)
        person.page.evaluate(WATCH)
        person.pause(0.5)  # the preview settles: people look at it before they click
        cpu, began = server.cpu_s(), time.monotonic()
        person.page.click("join-button")
        times = person.page.wait_for("() => window.joinTimes.frame !== undefined && window.joinTimes", within_s=20)
        took = time.monotonic() - began
        used = server.cpu_s() - cpu - idle_cpu_share * took
        person.leave()
        return Join((times["frame"] - times["click"]) / 1000, max(used, 0.0))
    finally:
        person.page.close()


def _measure(joins: int) -> list[Join]:
    with (
        network_namespace(),
        tempfile.TemporaryDirectory(prefix="parley-join-") as folder,
        running_server(Path(folder)) as server,
        sync_playwright() as playwright,
        chromium(playwright, media("red")) as browser,
    ):
        host = server.client().register("ana", "Ana")
        code = new_meeting(host)["code"]
        ana = Person("Ana", browser.new_page(), server.url)
        ana.join(code)
        ana.pause(2)
        cpu, began = server.cpu_s(), time.monotonic()
        ana.pause(3)
        idle_cpu_share = (server.cpu_s() - cpu) / (time.monotonic() - began)
        _join_once(browser, server, code, 0, idle_cpu_share)  # fills the caches of the machine; not counted
        return [_join_once(browser, server, code, number, idle_cpu_share) for number in range(1, joins + 1)]


def _percentile(values: list[float], share: float) -> float:
    """Nearest rank."""
    return sorted(values)[max(0, math.ceil(share * len(values)) - 1)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help=f"{QUICK_JOINS} joins, within 50 s")
    joins = _measure(QUICK_JOINS if parser.parse_args().quick else JOINS)
    seconds = [join.seconds for join in joins]
    cpu = [join.server_cpu_s for join in joins]
    figures = {
        "joins": len(joins),
        "p50_s": round(_percentile(seconds, 0.50), 3),
        "p99_s": round(_percentile(seconds, 0.99), 3),
        "fastest_s": round(min(seconds), 3),
        "slowest_s": round(max(seconds), 3),
        "server_cpu_s_per_join": round(statistics.mean(cpu), 4),
    }
    print("click to first remote frame")
    for name, value in figures.items():
        print(f"  {name:24} {value}")
    result = {"bench": "join", "unit": "s", "ours": figures["p50_s"], "peer": None, "ratio": None, "detail": figures}
    print(json.dumps(result))


if __name__ == "__main__":
    main()
