"""Captions for pictures of the page: puts lines into what a tab hears from the server, which needs no speech model.

Owns a relay of the signaling socket inside the browser. For looking only: what a test asserts of captions comes from a
server that hears them.
"""

from __future__ import annotations

import json
import re
import time
from typing import Any

from playwright.sync_api import Page, WebSocketRoute

SIGNALING = re.compile(r"/api/v1/ws|/signaling|/ws")

OFF = {"on": False, "since_ms": None, "by_name": None}


class CaptionedTab:
    """A tab whose meeting has captions on, with ``spoken`` (who, text) before it came in."""

    def __init__(self, page: Page, spoken: list[tuple[str, str]], **state: Any) -> None:
        now_ms = round(time.time() * 1000)
        self._state = {
            "on": True,
            "available": True,
            "reason": None,
            "language": "auto",
            "languages": ["auto", "en", "zh"],
            "transcript": True,
            "since_ms": now_ms - 300_000,
            "by_name": "Ben",
            **state,
        }
        self._spoken = spoken
        self._people: dict[str, str] = {}
        self._lines = 0
        self._socket: WebSocketRoute | None = None
        page.route_web_socket(SIGNALING, self._relay)

    def tell(self, **change: Any) -> None:
        """The state of captions, changed."""
        self._state |= change
        self._send({"type": "captions", **self._state})

    def says(self, name: str, text: str, *, final: bool = True) -> None:
        """A phrase of somebody in the room; a partial stays until the next phrase of that person."""
        self._send({"type": "caption", **self._line(name, text, final, round(time.time() * 1000))})

    def _line(self, name: str, text: str, final: bool, start_ms: int) -> dict[str, Any]:
        self._lines += 1
        return {
            "caption_id": f"cap_{self._lines}",
            "participant_id": self._people.get(name, f"gone-{name}"),
            "name": name,
            "text": text,
            "final": final,
            "start_ms": start_ms,
            "end_ms": start_ms + 1500,
            "language": "zh" if text[0] > "\u3000" else "en",
        }

    def _send(self, message: dict[str, Any]) -> None:
        assert self._socket is not None, "the tab has no signaling socket yet"
        self._socket.send(json.dumps(message))

    def _relay(self, socket: WebSocketRoute) -> None:
        self._socket = socket
        server = socket.connect_to_server()
        server.on_message(lambda frame: socket.send(self._captioned(frame)))

    def _captioned(self, frame: str | bytes) -> str | bytes:
        message = json.loads(frame)
        if message["type"] != "joined":
            return frame
        self._people = {one["name"]: one["participant_id"] for one in message["room"]["participants"]}
        message["room"]["captions"] = self._state
        begun_ms = round(time.time() * 1000) - 20_000 * len(self._spoken)
        message["captions"] = [
            self._line(name, text, True, begun_ms + 20_000 * number)
            for number, (name, text) in enumerate(self._spoken)
        ]
        return json.dumps(message)
