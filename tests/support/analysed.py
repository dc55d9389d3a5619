"""The analysis of pictures for pictures of the page: puts expressions and alerts into what a tab hears, without models.

Owns a relay of the signaling socket and of a few answers inside the browser. For looking only: what a test asserts of
expressions and alerts comes from a server that sees them.
"""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, Route, WebSocketRoute

from tests.support.captioned import SIGNALING

STILL = {"on": False, "available": True, "reason": None, "since_ms": None, "by_name": None}


def switched_on(by_name: str | None = "Ana", **change: Any) -> dict[str, Any]:
    """One of the two switches, on for five minutes."""
    return {**STILL, "on": True, "since_ms": round(time.time() * 1000) - 300_000, "by_name": by_name, **change}


class AnalysedTab:
    """A tab whose meeting has pictures analysed; ``agreed`` and ``declined`` are names."""

    def __init__(
        self, page: Page, *, agreed: tuple[str, ...] = (), declined: tuple[str, ...] = (), evidence: Path | None = None
    ) -> None:
        self._switches = {"emotion": switched_on(), "deepfake": switched_on()}
        self._agreed, self._declined = agreed, declined
        self._people: dict[str, str] = {}
        self._alerts: list[dict[str, Any]] = []
        self._evidence = evidence
        self._page = page
        self._socket: WebSocketRoute | None = None
        page.route_web_socket(SIGNALING, self._relay)
        page.route(re.compile(r"/api/v1/alerts/\w+/evidence"), self._show_evidence)
        page.route(re.compile(r"/api/v1/meetings/[\w-]+/alerts"), self._list_alerts)

    def tell(self, **switches: dict[str, Any]) -> None:
        """The switches, changed."""
        self._switches |= switches
        self._send({"type": "vision", **self._state()})

    def sees(self, name: str, label: str | None) -> None:
        """The expression of somebody in the room."""
        seen = {"participant_id": self._people[name], "label": label, "score": 0.8, "at_ms": round(time.time() * 1000)}
        self._send({"type": "emotion", **seen})

    def doubts(self, name: str, kind: str, score: float, model: str) -> None:
        """An alert about somebody in the room."""
        at_ms = round(time.time() * 1000)
        alert = {"participant_id": self._people[name], "name": name, "kind": kind, "score": score, "model": model}
        alert |= {"has_evidence": self._evidence is not None}
        alert_id = f"alr_{len(self._alerts) + 1}"
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at_ms / 1000))
        self._alerts.append({"id": alert_id, "at": at, **alert})
        self._send({"type": "vision_alert", "alert_id": alert_id, "at_ms": at_ms, **alert})

    def _state(self) -> dict[str, Any]:
        ids = [
            [self._people[name] for name in names if name in self._people] for names in (self._agreed, self._declined)
        ]
        return {**self._switches, "consented": ids[0], "declined": ids[1]}

    def _send(self, message: dict[str, Any]) -> None:
        assert self._socket is not None, "the tab has no signaling socket yet"
        self._socket.send(json.dumps(message))

    def _relay(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        server = socket.connect_to_server()
        server.on_message(lambda frame: socket.send(self._analysed(frame)))
        # The server knows nothing of what is only told here.
        socket.on_message(lambda frame: None if '"vision' in str(frame) else server.send(frame))

    def _analysed(self, frame: str | bytes) -> str | bytes:
        message = json.loads(frame)
        if message["type"] != "joined":
            return frame
        self._people = {one["name"]: one["participant_id"] for one in message["room"]["participants"]}
        message["vision"] = self._state()
        return json.dumps(message)

    def _show_evidence(self, route: Route) -> None:
        assert self._evidence is not None
        route.fulfill(path=self._evidence, content_type="image/jpeg")

    def _list_alerts(self, route: Route) -> None:
        body = {"code": 200, "message": "success", "data": {"alerts": self._alerts}}
        route.fulfill(json=body)


def plan_analysis(page: Page) -> None:
    """The meeting that the tab opens has both switches on from its start."""

    def changed(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        body["data"]["settings"] |= {"emotion_detection": True, "deepfake_detection": True}
        route.fulfill(response=answer, json=body)

    page.route(re.compile(r"/api/v1/meetings/[\w-]+$"), changed)


def report_analysis(page: Page) -> None:
    """The report that the tab opens has expressions of three people over an hour, and two alerts."""
    labels = ("neutral", "happy", "neutral", "surprise", "neutral", "sad", "neutral", "happy", "neutral", "angry")

    def changed(route: Route) -> None:
        answer = route.fetch()
        body = answer.json()
        from_ms = round(time.time() * 1000) - 3_600_000
        body["data"]["emotions"] = [
            _expressed(name, labels[number:] + labels[:number], from_ms + number * 90_000)
            for number, name in enumerate(("Ana", "Ben", "陈小明"))
        ]
        alert = {"participant_id": "p", "name": "Ben", "at": "2026-11-28T09:12:00Z", "has_evidence": True}
        body["data"]["alerts"] = [
            {"id": "alr_1", "kind": "face_spoof", "score": 0.91, "model": "face-spoof 3.0.4", **alert},
            {"id": "alr_2", "kind": "generated_picture", "score": 0.93, "model": "clip-generated 1.1.0", **alert},
        ]
        route.fulfill(response=answer, json=body)

    page.route(re.compile(r"/api/v1/meetings/[\w-]+/report$"), changed)


def _expressed(name: str, labels: tuple[str, ...], from_ms: int) -> dict[str, Any]:
    spans: list[tuple[int, int, str]] = []
    at_ms = from_ms
    for number, label in enumerate(labels * 2):
        length_ms = 20_000 + 37_000 * (number * 7 % 5)
        spans.append((at_ms, at_ms + length_ms, label))
        at_ms += length_ms + 15_000
    whole = sum(to - begun for begun, to, _ in spans)
    shares = {label: sum(to - begun for begun, to, said in spans if said == label) / whole for label in labels}
    return {"participant_id": name, "name": name, "spans": spans, "shares": shares}
