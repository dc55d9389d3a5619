"""The HTTP API from outside, as a client of another language would call it: envelope unpacked, nothing assumed."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from typing import Any


class ApiError(Exception):
    """An error answer; ``error`` is the machine code and its detail."""

    def __init__(self, status: int, message: str, error: str) -> None:
        super().__init__(f"{status} {error}: {message}")
        self.status = status
        self.error = error


class HttpClient:
    """Calls below ``<url>/api/v1``, with a bearer token once signed in. Accepts a self-signed certificate."""

    def __init__(self, url: str, token: str | None = None) -> None:
        self.url = url
        self.token = token
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        # No proxy: tests talk to this machine only.
        self._opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )

    def text(self, path: str) -> str:
        """Body of a GET of any path, as /metrics."""
        with self._opener.open(self.url + path, timeout=10) as answer:
            return answer.read().decode()

    def download(self, path: str) -> bytes:
        """Body of a GET below the API that answers with a file; ApiError for any other than success."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        request = urllib.request.Request(f"{self.url}/api/v1{path}", headers=headers)
        try:
            with self._opener.open(request, timeout=60) as answer:
                body: bytes = answer.read()
                return body
        except urllib.error.HTTPError as error:
            envelope = json.loads(error.read())
            raise ApiError(error.code, envelope.get("message", ""), envelope.get("error", "")) from None

    def call(self, method: str, path: str, body: object = None) -> Any:
        """``data`` of the answer; ApiError for any other than success."""
        headers = {"Accept": "application/json"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        data = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            data = json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/api/v1{path}", data, headers, method=method)
        try:
            with self._opener.open(request, timeout=10) as answer:
                envelope = json.loads(answer.read())
        except urllib.error.HTTPError as error:
            envelope = json.loads(error.read())
            raise ApiError(error.code, envelope.get("message", ""), envelope.get("error", "")) from None
        assert envelope["code"] == 200, envelope
        return envelope["data"]

    def get(self, path: str) -> Any:
        return self.call("GET", path)

    def post(self, path: str, body: object = None) -> Any:
        return self.call("POST", path, {} if body is None else body)

    def register(self, username: str, nickname: str) -> HttpClient:
        """A new account, signed in, as a client of its own."""
        answer = self.post(
            "/auth/register",
            {
                "username": username,
                "email": f"{username}@example.org",
                "password": PASSWORD,
                "nickname": nickname,
            },
        )
        return HttpClient(self.url, answer["access_token"])


PASSWORD = "correct horse battery staple"
