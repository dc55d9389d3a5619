"""Where the pictures of `screenshots` are taken: opens people at one look and keeps what is seen."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e.person import Person
from tests.support.browser import Chromium
from tests.support.http_client import PASSWORD, HttpClient
from tests.support.server import Server

SETTLE_S = 0.6  # web fonts, the first frames of the preview, transitions of 150 ms


class Studio:
    """Opens people at the look that is being photographed and keeps the pictures."""

    def __init__(
        self, folder: Path, browser: Chromium, server: Server, host: HttpClient, look: dict[str, Any], name: str
    ) -> None:
        """``host``: who planned the meetings."""
        self.host = host
        self.folder = folder
        self._browser = browser
        self._server = server
        self._look = look
        self._name = name

    @contextmanager
    def person(self, name: str, username: str | None = None) -> Iterator[Person]:
        person = Person(name, self._browser.new_page(**self._look), self._server.url)
        try:
            if username:
                person.sign_in(username, PASSWORD)
            yield person
        finally:
            person.page.close()

    def picture(self, person: Person, page: str) -> None:
        person.pause(SETTLE_S)
        path = self.folder / f"{page}-{self._name}.png"
        person.page.screenshot(path)
        print(path)

    @property
    def url(self) -> str:
        return self._server.url

    @property
    def log(self) -> str:
        return self._server.log()
