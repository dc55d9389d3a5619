"""Register, schedule, invite, end a meeting: mails arrive at a real SMTP server, a calendar takes the invitation, and a
webhook is received and verified by the guide's own lines. Two plugins, installed by pip, enabled by settings alone."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import icalendar

from tests.e2e.person import Person
from tests.support.browser import wait_until
from tests.support.http_client import PASSWORD
from tests.support.http_receiver import receiving
from tests.support.installed import ROOT, environ_of, install_plugin
from tests.support.mail_server import Mail, mail_server
from tests.support.server import running_server

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
ARRIVES_WITHIN_S = 30.0
TICKED = "([id, on]) => document.querySelector(`[data-testid='${id}']`)?.checked === on"
GUIDE = (ROOT / "plugins" / "parley-webhook" / "README.md").read_text()


def guides_verify() -> Any:
    """The function that the guide gives to who receives webhooks."""
    (snippet,) = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(snippet, namespace)
    return namespace["verify"]


def mails_to(mails: list[Mail], address: str) -> list[Mail]:
    return [mail for mail in mails if mail.recipients == [address]]


def event_in(mail: Mail) -> tuple[str, Any]:
    """Method and event of a mail's calendar part."""
    (part,) = [part for part in mail.message.walk() if part.get_content_type() == "text/calendar"]
    calendar = icalendar.Calendar.from_ical(part.get_payload(decode=True))
    (event,) = calendar.walk("VEVENT")
    return str(calendar["METHOD"]), event


def test_people_are_told(lab: None, environment: Path, tmp_path: Path, people: Callable[..., Person]) -> None:
    with mail_server("none") as box, receiving() as receiver:
        settings = {
            "PARLEY_HTTP__PUBLIC_URL": "https://meet.example.org",
            "PARLEY_PLUGINS__ENABLED": "email,webhook",
            "PARLEY_PLUGINS__EMAIL__HOST": "127.0.0.1",
            "PARLEY_PLUGINS__EMAIL__PORT": str(box.port),
            "PARLEY_PLUGINS__EMAIL__SECURITY": "none",
            "PARLEY_PLUGINS__EMAIL__FROM_ADDRESS": "parley@example.org",
            "PARLEY_PLUGINS__WEBHOOK__URL": f"http://127.0.0.1:{receiver.port}/in",
            "PARLEY_PLUGINS__WEBHOOK__SECRET": SECRET,
            "PARLEY_PLUGINS__WEBHOOK__ALLOW_HTTP": "true",
            "PARLEY_PLUGINS__WEBHOOK__ALLOW_NETWORKS": "127.0.0.0/8",
        }
        environ = environ_of(environment)
        for name in ("parley-email", "parley-webhook"):
            install_plugin(name, tmp_path, environ)
        program = (str(environment / "bin" / "parley"), "serve")
        with running_server(tmp_path / "told", settings, program=program) as server:
            ana = server.client().register("ana", "Ana")
            welcome = wait_until(
                lambda: mails_to(box.mails, "ana@example.org"), "the welcome mail", within_s=ARRIVES_WITHIN_S
            )
            assert welcome[0].message["Subject"] == "Welcome to Parley"

            plan = {"title": "Plan", "start_time": "2031-01-01T10:00:00Z", "end_time": "2031-01-01T11:00:00Z"}
            meeting = ana.post("/meetings", plan)
            path = f"/meetings/{meeting['id']}"
            ana.post(f"{path}/invite", {"emails": ["guest@example.org"]})
            ana.call("PUT", path, {"start_time": "2031-01-01T10:30:00Z"})
            guest = wait_until(
                lambda: len(found := mails_to(box.mails, "guest@example.org")) >= 2 and found,
                "an invitation and its update",
                within_s=ARRIVES_WITHIN_S,
            )
            (how, invited), (how_again, changed) = sorted(map(event_in, guest), key=lambda found: found[1]["SEQUENCE"])
            assert how == how_again == "REQUEST"
            assert invited["UID"] == changed["UID"] and invited["SUMMARY"] == "Plan"
            assert (invited.decoded("DTSTART").hour, changed.decoded("DTSTART").minute) == (10, 30)
            assert any(f"https://meet.example.org/{meeting['code']}" in mail.raw.decode() for mail in guest)

            ana.post(f"{path}/join", {})
            ana.post(f"{path}/end")

            def heard() -> list[str]:
                bodies = [json.loads(request.body) for request in receiver.requests]
                return [body["event"]["type"] for body in bodies if body["topic"] == "meeting_events"]

            wait_until(lambda: "meeting.ended" in heard(), "the webhook of the end", within_s=ARRIVES_WITHIN_S)
            for request in receiver.requests:
                guides_verify()(SECRET, request.headers, request.body)
            types = heard()
            assert types.index("meeting.created") < types.index("meeting.started") < types.index("meeting.ended")

            ana.call("PUT", "/notifications/preferences", {"locale": "zh-CN"})
            assert ana.post("/notifications/test")["title"] == "测试通知"
            wait_until(
                lambda: {d["state"] for d in ana.get("/notifications")["items"][0]["deliveries"]} == {"sent"},
                "the test is on its way by both",
                within_s=ARRIVES_WITHIN_S,
            )

            page = people("Ana", "red", url=server.url)
            page.sign_in("ana", PASSWORD)
            page.page.goto(server.url + "/profile")
            page.page.wait_for(TICKED, ["notify-meeting.reminder-email", True])
            page.page.click("notify-meeting.reminder-email")
            wait_until(
                lambda: ana.get("/notifications/preferences")["off"]
                == [{"kind": "meeting.reminder", "notifier": "email"}],
                "the box says what is not wanted",
                within_s=10,
            )
            assert page.page.evaluate(TICKED, ["notify-meeting.reminder-webhook", True])
            before = len(mails_to(box.mails, "ana@example.org"))
            page.page.click("notifications-test")
            wait_until(
                lambda: len(mails_to(box.mails, "ana@example.org")) > before, "a test mail", within_s=ARRIVES_WITHIN_S
            )
            page.page.goto(server.url + "/profile")
            page.page.wait_for("() => document.querySelectorAll(`[data-testid='notification']`).length > 2")
