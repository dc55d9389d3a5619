"""When everybody has left, the server is as it was: no sessions, no rooms, no tasks, no memory that stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.person import Person, new_meeting
from tests.support.browser import wait_until
from tests.support.server import Server, running_server

# The allocator keeps pages of the first meetings (a packet cache is up to 2.4 MB a layer); later ones use them again.
KEPT_BY_THE_ALLOCATOR_BYTES = 2 * 1024 * 1024


@pytest.fixture
def server(lab: None, tmp_path: Path) -> Iterator[Server]:
    """Gives an empty meeting two seconds, not a minute, before it takes it down."""
    with running_server(tmp_path / "server", {"PARLEY_MEETINGS__EMPTY_GRACE_S": "2"}) as running:
        yield running


def _meet_and_leave(code: str, people: list[Person]) -> None:
    for person in people:
        person.join(code)
    first, *others = people
    for person in others:
        first.sees(person.name, "red")
    for person in people:
        person.leave()


def test_nothing_stays(server: Server, people: Callable[..., Person]) -> None:
    host = server.client().register("ana", "Ana")
    three = [people(name, "red") for name in ("Ana", "Ben", "Cleo")]

    def at_rest() -> bool:
        return not any(server.usage().values())

    def meetings(count: int) -> None:
        for _ in range(count):
            _meet_and_leave(new_meeting(host)["code"], three)
            wait_until(at_rest, "the meeting is gone", within_s=45)

    meetings(2)
    files, memory = server.open_files(), server.memory_bytes()
    meetings(2)

    wait_until(lambda: server.open_files() <= files + 3, f"open files are {files} again", within_s=20)
    assert server.memory_bytes() - memory < KEPT_BY_THE_ALLOCATOR_BYTES
