"""A client that keeps cookies as a browser does."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.support.api_server import ApiServer, Reply


@dataclass
class Browser:
    """Requests with a cookie jar for one host."""

    server: ApiServer
    jar: dict[str, str] = field(default_factory=dict)
    set_cookie_lines: list[str] = field(default_factory=list)

    def request(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        csrf: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        sent = dict(headers or {})
        if self.jar:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.jar.items())
        if csrf is not None:
            sent["X-CSRF-Token"] = csrf
        answer = self.server.request(method, path, body, headers=sent)
        self.set_cookie_lines = answer.headers.get_all("Set-Cookie") or []
        for line in self.set_cookie_lines:
            name, _, value = line.partition(";")[0].partition("=")
            if "Max-Age=0" in line:
                self.jar.pop(name, None)
            else:
                self.jar[name] = value
        return answer

    def get(self, path: str) -> Reply:
        return self.request("GET", path)

    def post(self, path: str, body: object, **more: object) -> Reply:
        return self.request("POST", path, body, **more)  # type: ignore[arg-type]

    def put(self, path: str, body: object, **more: object) -> Reply:
        return self.request("PUT", path, body, **more)  # type: ignore[arg-type]
