"""Fixtures of the end-to-end tests: a network of their own, real browsers, a real server, people.

The namespace and the browsers live for one test module, the server and the people for one test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Playwright, sync_playwright

from tests.e2e.person import Person
from tests.support.browser import Chromium, chromium
from tests.support.firefox import Firefox, firefox
from tests.support.installed import install_wheel
from tests.support.media import media
from tests.support.netns import network_namespace
from tests.support.server import Server, running_server


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="module")
def lab() -> Iterator[None]:
    """This thread and all that it starts are in a network namespace with loopback only."""
    with network_namespace():
        yield


@pytest.fixture(scope="module")
def playwright(lab: None) -> Iterator[Playwright]:
    with sync_playwright() as running:
        yield running


@pytest.fixture(scope="module")
def browsers(playwright: Playwright) -> Iterator[Callable[[str], Chromium]]:
    """A Chromium for each colour that is asked for: "red", "green", "blue"."""
    with ExitStack() as stack:
        started: dict[str, Chromium] = {}

        def browser(colour: str) -> Chromium:
            if colour not in started:
                started[colour] = stack.enter_context(chromium(playwright, media(colour)))
            return started[colour]

        yield browser


@pytest.fixture(scope="module")
def fox(lab: None) -> Iterator[Firefox]:
    with firefox() as running:
        yield running


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh virtual environment with Parley in it, for who installs plugins."""
    return install_wheel(tmp_path_factory.mktemp("environment"))


@pytest.fixture
def server(lab: None, tmp_path: Path) -> Iterator[Server]:
    """A fresh server; it must end by itself with exit code 0."""
    with running_server(tmp_path / "server") as running:
        yield running


@pytest.fixture
def people(
    browsers: Callable[[str], Chromium], server: Server, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[Callable[..., Person]]:
    """Seats a person at a Chromium of a colour: ``people("Ana", "red")``. Console errors fail the test."""
    seated: list[Person] = []

    def seat(name: str, colour: str, *, url: str | None = None, **context: Any) -> Person:
        person = Person(name, browsers(colour).new_page(**context), url or server.url)
        seated.append(person)
        return person

    # Chromium reports the answer by which a page learns that nobody is signed in.
    nobody = r"status of 401 .*/api/v1/(profile|csrf-token|auth/refresh)\b"
    failed_before = request.session.testsfailed
    yield seat
    if request.session.testsfailed > failed_before:
        for person in seated:
            person.page.screenshot(tmp_path / f"{person.name}.png")
            print(f"--- {person.name}: {tmp_path / f'{person.name}.png'}", *person.page.console_errors(), sep="\n")
        print(f"--- {server.log_path}\n{server.log()[-8000:]}")
    for person in seated:
        person.expects_console(nobody)
    complaints = {person.name: errors for person in seated if (errors := person.page.console_errors())}
    for person in seated:
        person.page.close()
    assert not complaints, complaints
