"""Pictures of every page for people to look at: desktop and phone, light and dark, English and Chinese.

    python tests/e2e/screenshots.py FOLDER [--only WORD] [--scene NAME]        needs root, chromium, espeak-ng

Starts a real server with a few meetings in it; asserts nothing, but a page that cannot be reached ends it.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from playwright.sync_api import sync_playwright  # noqa: E402

from appliance.ai.pictures import decode_picture_untrusted, encode_picture  # noqa: E402
from tests.e2e.person import Person, new_meeting  # noqa: E402
from tests.e2e.studio import Studio  # noqa: E402
from tests.support.ai_models import data_file  # noqa: E402
from tests.support.analysed import STILL, AnalysedTab, plan_analysis, report_analysis  # noqa: E402
from tests.support.browser import chromium, wait_until  # noqa: E402
from tests.support.captioned import OFF, CaptionedTab  # noqa: E402
from tests.support.http_client import PASSWORD, HttpClient  # noqa: E402
from tests.support.kept_transcript import keep_transcript  # noqa: E402
from tests.support.media import media  # noqa: E402
from tests.support.netns import network_namespace  # noqa: E402
from tests.support.server import Server, running_server  # noqa: E402

SIZES: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}
SCHEMES = ("light", "dark")
LANGUAGES = {"en": "en-US", "zh": "zh-CN"}
RECORDED_S = 12.0
WATCHED = {"recording_access": "participants", "recording_download": "hosts"}
PLAYS = "() => document.querySelector(`[data-testid='recording-video']`)?.readyState >= 2"


def signed_out(studio: Studio, codes: dict[str, str]) -> None:
    with studio.person("Ben") as ben:
        for page in ("login", "register", "setup", "no-such-page/at-all"):
            ben.page.goto(f"{studio.url}/{page}")
            studio.picture(ben, page.partition("/")[0])
        ben.page.goto(f"{studio.url}/{codes['protected']}")
        studio.picture(ben, "prejoin-guest")
        ben.page.goto(f"{studio.url}/zzz-zzzz-zzz")
        studio.picture(ben, "prejoin-unknown")


def signed_in(studio: Studio, codes: dict[str, str]) -> None:
    with studio.person("Dora", "dora") as dora:
        dora.page.goto(studio.url + "/home")
        studio.picture(dora, "home-empty")
    with studio.person("Ana", "ana") as ana:
        ana.page.goto(studio.url + "/home")
        studio.picture(ana, "home")
        ana.page.click("schedule-open")
        studio.picture(ana, "home-schedule")
        ana.page.evaluate("() => document.querySelector('[data-testid=schedule-save]').scrollIntoView()")
        studio.picture(ana, "home-schedule-recording")
        ana.page.evaluate("() => document.querySelector('[data-testid=schedule-deepfake]').scrollIntoView()")
        studio.picture(ana, "home-schedule-analysis")
        ana.page.goto(studio.url + "/profile")
        studio.picture(ana, "profile")
        ana.page.goto(f"{studio.url}/{codes['open']}")
        studio.picture(ana, "prejoin-host")


def room(studio: Studio, codes: dict[str, str]) -> None:
    with studio.person("Ana", "ana") as ana:
        ana.join(codes["open"])
        ana.sees("Ben")
        studio.picture(ana, "room-grid")
        for control in ("chat", "people"):
            ana.press(control)
            studio.picture(ana, f"room-{control}")
            ana.page.click("panel-close")
        ana.press("layout")
        studio.picture(ana, "room-layout")
        ana.page.click("more-toggle")
        studio.picture(ana, "room-more")
        ana.page.click("stream-open")
        studio.picture(ana, "room-stream")


def alone(studio: Studio, codes: dict[str, str]) -> None:
    with studio.person("Ana", "ana") as ana:
        ana.join(codes["alone"])
        studio.picture(ana, "room-alone")
        ana.page.click("leave-button")
        studio.picture(ana, "room-leave")


SPOKEN = [
    ("Ben", "Good morning! The new drawings are in the folder."),
    ("Cleo", "Thanks, I have them open. Page four is much better now."),
    ("Ben", "The stairs are wider, and the light comes from the north."),
    ("陈小明", "早上好！我先说第二部分，图纸已经改好了。"),
    ("Cleo", "Can we put the drawings next to the budget? I would like to compare them line by line."),
    ("Ana", "Yes. I share my screen in a minute."),
]


def captions(studio: Studio, codes: dict[str, str]) -> None:
    with studio.person("Ana", "ana") as ana:
        tab = CaptionedTab(ana.page.playwright, SPOKEN)
        ana.join(codes["open"])
        ana.sees("Ben")
        ana.pause(5)  # what was told at the beginning is gone
        tab.says("Cleo", "Then we agree on the second plan, with the wide stairs.")
        tab.says("Ben", "Yes, and I will send the list of windows to everybody this", final=False)
        studio.picture(ana, "room-captions")
        tab.says("陈小明", "好的，我下午把新的预算发给大家，请在周五之前看一下。")
        ana.press("captions")
        ana.press("captions")
        studio.picture(ana, "room-captions-shown")
        ana.page.click("more-toggle")
        ana.page.click("transcript-toggle")
        ana.page.fill("transcript-search", "drawings")
        studio.picture(ana, "room-transcript")
        ana.page.click("panel-close")
        ana.page.click("chip-captions")
        studio.picture(ana, "room-captions-host")
        tab.tell(**OFF, available=False, reason="model_not_installed", languages=[])
        ana.pause(3)
        studio.picture(ana, "room-captions-missing")


def analysis(studio: Studio, codes: dict[str, str]) -> None:
    """Expressions of faces and pictures that may be fake, as hosts see them, and as somebody is asked."""
    evidence = studio.folder / "evidence.jpg"
    evidence.write_bytes(encode_picture(decode_picture_untrusted(data_file("astronaut").read_bytes()), "jpeg"))
    with studio.person("Ana", "ana") as ana:
        tab = AnalysedTab(ana.page.playwright, agreed=("Ana", "Ben", "Cleo"), declined=("陈小明",), evidence=evidence)
        ana.join(codes["open"])
        ana.sees("Ben")
        ana.pause(3)
        for name, label in (("Ana", "neutral"), ("Ben", "happy"), ("Cleo", "surprise")):
            tab.sees(name, label)
        ana.press("people")
        studio.picture(ana, "room-analysed-people")
        ana.page.click("panel-close")
        tab.doubts("Cleo", "generated_picture", 0.93, "clip-generated 1.1.0")
        tab.doubts("Ben", "face_spoof", 0.91, "face-spoof 3.0.4")
        studio.picture(ana, "room-alert")
        ana.page.click("toast-action")
        studio.picture(ana, "room-evidence")
        ana.page.playwright.keyboard.press("Escape")
        ana.page.click("more-toggle")
        studio.picture(ana, "room-more-analysed")
        ana.page.click("alerts-toggle")
        studio.picture(ana, "room-alerts")
        ana.page.click("panel-close")
        tab.tell(emotion={**STILL, "available": False, "reason": "model_not_installed"})
        ana.page.click("chip-vision")
        studio.picture(ana, "room-analysis")
    with studio.person("Dora") as dora:
        plan_analysis(dora.page.playwright)
        AnalysedTab(dora.page.playwright)
        dora.page.goto(f"{studio.url}/{codes['open']}")
        dora.page.wait_for("() => !!document.querySelector(`[data-testid='prejoin-vision']`)")
        studio.picture(dora, "prejoin-analysed")
        dora.joins_from_here()
        studio.picture(dora, "room-analysis-asked")
        dora.page.click("vision-decline")
        dora.page.click("chip-vision")
        studio.picture(dora, "room-analysis-declined")
    with studio.person("Ana", "ana") as ana:
        AnalysedTab(ana.page.playwright, evidence=evidence)
        report_analysis(ana.page.playwright)
        ana.page.goto(f"{studio.url}/reports/{codes['reported']}")
        ana.page.wait_for("() => !!document.querySelector(`[data-testid='report-emotions']`)")
        ana.page.evaluate("() => document.querySelector(`[data-testid='report-emotions']`).scrollIntoView()")
        studio.picture(ana, "report-emotions")
        ana.page.evaluate("() => document.querySelector(`[data-testid='report-alerts']`).scrollIntoView()")
        studio.picture(ana, "report-alerts")


def recordings(studio: Studio, codes: dict[str, str]) -> None:
    with studio.person("Ana", "ana") as ana:
        ana.page.goto(studio.url + "/recordings")
        studio.picture(ana, "recordings")
        ana.page.click("recording-menu")
        studio.picture(ana, "recordings-menu")
        ana.page.goto(f"{studio.url}/recordings/{codes['recording']}")
        ana.page.wait_for(PLAYS)
        studio.picture(ana, "recording")
        ana.page.click("recording-share")
        ana.page.click("share-create")
        ana.page.wait_for("() => document.querySelector('[data-testid=share-link]') !== null")
        studio.picture(ana, "recording-link")
    with studio.person("Emil", "emil") as emil:  # who was there, and may only watch
        emil.page.goto(studio.url + "/recordings")
        studio.picture(emil, "recordings-watched")
        emil.page.goto(f"{studio.url}/recordings/{codes['recording']}")
        emil.page.wait_for(PLAYS)
        studio.picture(emil, "recording-watched")
    with studio.person("Ben") as ben:
        ben.page.goto(codes["shared"])
        ben.page.wait_for(PLAYS)
        studio.picture(ben, "shared")
        ben.page.goto(codes["shared_to_watch"])
        ben.page.wait_for(PLAYS)
        studio.picture(ben, "shared-to-watch")


def report(studio: Studio, codes: dict[str, str]) -> None:
    with studio.person("Ana", "ana") as ana:
        ana.page.goto(f"{studio.url}/reports/{codes['reported']}")
        ana.page.wait_for("() => !!document.querySelector(`[data-testid='report-talk']`)")
        studio.picture(ana, "report")
        ana.page.evaluate("() => document.querySelector(`[data-testid='report-talk']`).scrollIntoView()")
        studio.picture(ana, "report-talk")
        ana.page.evaluate("() => document.querySelector(`[data-testid='report-jump']`).click()")
        studio.picture(ana, "report-transcript")
        ana.page.goto(f"{studio.url}/reports/{codes['alone']}")
        ana.page.wait_for("() => !!document.querySelector(`[data-testid='screen-report-none']`)")
        studio.picture(ana, "report-none")


def searched(studio: Studio, codes: dict[str, str]) -> None:
    """What was said in the meeting that has a report."""
    with studio.person("Ana", "ana") as ana:
        for words, page in (("windows", "search"), ("预算", "search-zh"), ("nobody said this", "search-none")):
            ana.page.goto(f"{studio.url}/transcripts?q={words}")
            ana.page.wait_for(
                "() => !!document.querySelector(`[data-testid='search-results'],[data-testid='search-none']`)"
            )
            studio.picture(ana, page)


def administered(studio: Studio, codes: dict[str, str]) -> None:
    with studio.person("Root", "root") as root:
        root.page.goto(studio.url + "/admin/models")
        root.page.wait_for("() => !!document.querySelector(`[data-testid='ai-model']`)")
        studio.picture(root, "admin-models")
        for section, shown in (("jobs", "admin-list"), ("plugins", "admin-list"), ("audit", "audit-entry")):
            root.page.goto(f"{studio.url}/admin/{section}")
            root.page.wait_for("(id) => !!document.querySelector(`[data-testid='${id}']`)", shown)
            studio.picture(root, f"admin-{section}")


def recorded(studio: Studio, codes: dict[str, str]) -> None:
    """The room while it is recorded. What is recorded goes at once: its film would be made beside the next pictures."""
    running = studio.host.post("/recordings", {"meeting_id": codes["open"]})["id"]
    with studio.person("Ana", "ana") as ana:
        ana.join(codes["open"])
        ana.sees("Ben")
        ana.is_told_of_the_recording()
        ana.page.click("chip-recording")
        studio.picture(ana, "room-recorded")
    studio.host.post(f"/recordings/{running}/stop")
    studio.host.call("DELETE", f"/recordings/{running}")


def asked(studio: Studio, codes: dict[str, str]) -> None:
    """Somebody is asked before anything is recorded."""
    with studio.person("Ana", "ana") as ana:
        ana.join(codes["asking"])
        running = studio.host.post("/recordings", {"meeting_id": codes["asking"]})["id"]
        ana.page.wait_for("() => document.querySelector('[data-testid=recording-agree]') !== null")
        studio.picture(ana, "room-asked")
    studio.host.post(f"/recordings/{running}/stop")
    studio.host.call("DELETE", f"/recordings/{running}")


SCENES: list[Callable[[Studio, dict[str, str]], None]] = [
    signed_out,
    signed_in,
    alone,
    room,
    recordings,
    report,
    searched,
    administered,
    recorded,
    asked,
    captions,
    analysis,
]


def _record(host: HttpClient, code: str) -> dict[str, str]:
    """Record the meeting with whoever is in it for a while, wait for the film and share it."""
    recording = host.post("/recordings", {"meeting_id": code, "layout": "grid"})["id"]
    time.sleep(RECORDED_S)
    host.post(f"/recordings/{recording}/stop")
    wait_until(
        lambda: host.get(f"/recordings/{recording}")["status"] == "ready", "the film of a recording", within_s=300
    )
    links = [
        host.post(f"/recordings/{recording}/share", {"expires_in_s": 3600, "download": download})["url"]
        for download in (True, False)
    ]
    return {"recording": recording, "shared": links[0], "shared_to_watch": links[1]}


def _fill(server: Server) -> tuple[HttpClient, dict[str, str]]:
    """Accounts and meetings to look at; who planned them, and the codes of those that scenes open."""
    server.administrator()
    ana = server.client().register("ana", "Ana")
    server.client().register("dora", "Dora")
    server.client().register("emil", "Emil")
    tomorrow = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=1)
    for title, hours in (("Design review", 0), ("Budget 2027", 3), ("周会", 26)):
        start, end = tomorrow + timedelta(hours=hours), tomorrow + timedelta(hours=hours + 1)
        times = {"start_time": start.isoformat(), "end_time": end.isoformat()}
        new_meeting(ana, **{"title": title, **times})
    return ana, {
        "open": new_meeting(ana, title="Design review", **WATCHED)["code"],
        "asking": new_meeting(ana, title="Interview", recording_consent=True, **WATCHED)["code"],
        "alone": new_meeting(ana)["code"],
        "reported": _reported(server, ana),
        "protected": new_meeting(ana, title="Board", passcode="letmein")["code"],
    }


def _reported(server: Server, host: HttpClient) -> str:
    """A meeting that has ended; its code."""
    meeting = new_meeting(host, title="Library review")
    from_ms = time.time_ns() // 1_000_000 - 3_600_000
    keep_transcript(server.data_folder, meeting["id"], from_ms=from_ms)
    host.post(f"/meetings/{meeting['id']}/end", {})
    path = f"/meetings/{meeting['id']}/report"
    wait_until(lambda: host.get(path)["status"] == "ready", "the report of a meeting", within_s=60)
    return str(meeting["code"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", default="", help="looks whose name holds this word, as phone-dark or zh")
    names = [scene.__name__ for scene in SCENES]
    parser.add_argument("--scene", action="append", choices=names, help="only this one; may be said again")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    with (
        network_namespace(),
        tempfile.TemporaryDirectory(prefix="parley-pictures-") as folder,
        running_server(Path(folder)) as server,
        sync_playwright() as playwright,
        chromium(playwright, media("blue")) as browser,
        chromium(playwright, media("green")) as green,
        chromium(playwright, media("red")) as red,
    ):
        ana, codes = _fill(server)
        guests = []
        for name, other, line in (
            ("Ben", green, "Good morning! The new drawings are in the folder."),
            ("Cleo", red, "Thanks, I have them open. Page 4 is much better now."),
            ("陈小明", green, "早上好！我先说第二部分。"),
        ):
            guest = Person(name, other.new_page(), server.url)
            guest.join(codes["open"])
            guest.press("chat")
            guest.say(line)
            guests.append(guest)
        emil = Person("Emil", green.new_page(), server.url)
        emil.sign_in("emil", PASSWORD)
        emil.join(codes["open"])
        if arguments.scene is None or recordings.__name__ in arguments.scene:
            codes |= _record(ana, codes["open"])
        emil.page.close()
        for size, scheme, language in itertools.product(SIZES, SCHEMES, LANGUAGES):
            name = f"{size}-{scheme}-{language}"
            if arguments.only not in name:
                continue
            look = {**SIZES[size], "color_scheme": scheme, "locale": LANGUAGES[language]}
            studio = Studio(arguments.folder, browser, server, ana, look, name)
            for scene in SCENES:
                if arguments.scene is None or scene.__name__ in arguments.scene:
                    scene(studio, codes)
        for guest in guests:
            guest.page.close()


if __name__ == "__main__":
    main()
