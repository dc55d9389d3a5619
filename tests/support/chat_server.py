"""A small OpenAI-compatible server, real HTTP on loopback: each request is answered by a function of the test."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from appliance.settings import SummarySettings

Answer = Callable[[str, str], str]
"""``answer(instructions, text)``: what the model says."""


@dataclass
class ChatServer:
    """What it was asked."""

    url: str
    requests: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def settings(self, **changes: Any) -> SummarySettings:
        """Of a server that uses it."""
        return SummarySettings(**{"url": f"{self.url}/v1", "model": "small", "timeout_s": 5.0, **changes})


@contextmanager
def chatting(answer: Answer) -> Iterator[ChatServer]:
    """Serve for the length of the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.requests.append({"path": self.path, **body})
            server.headers.append({name.lower(): value for name, value in self.headers.items()})
            said = answer(body["messages"][0]["content"], body["messages"][1]["content"])
            choice = {"index": 0, "message": {"role": "assistant", "content": said}}
            content = json.dumps({"id": "x", "choices": [choice]})
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content.encode())))
            self.end_headers()
            self.wfile.write(content.encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Nothing: pytest shows what fails."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        server = ChatServer(f"http://127.0.0.1:{http.server_port}")
        thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            http.shutdown()
            thread.join()


def minutes(text: str, **more: Any) -> str:
    """An honest model's answer: one sentence that cites the first line that it was shown."""
    first = re.match(r"\[(\d+)\]", text)
    assert first, text
    return json.dumps({"summary": [{"text": f"It begins with line {first[1]}.", "lines": [int(first[1])]}], **more})
