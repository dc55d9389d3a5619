"""When everybody has left, the server is as it was: no sessions, no rooms, no tasks, no memory that stays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from statistics import median

import pytest

from tests.e2e.person import Person, new_meeting
from tests.support.browser import wait_until
from tests.support.server import Server, running_server

# Three connections and the last second of three cameras are about 1 MB. Fourteen meetings in a row grew by 0.3 MB at
# first and 0.05 MB at last; the median forgives one stray page of the allocator's. What the data plane keeps is counted
# to the byte in appliance/dataplane/tests/allocations.rs.
KEPT_BY_A_MEETING_BYTES = 1024 * 1024


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

    def memory_after_a_meeting() -> int:
        _meet_and_leave(new_meeting(host)["code"], three)
        wait_until(at_rest, "the meeting is gone", within_s=45)
        return server.memory_bytes()

    memory_after_a_meeting()  # the first one fills caches that stay
    files = server.open_files()
    memory = [memory_after_a_meeting() for _ in range(4)]

    wait_until(lambda: server.open_files() <= files + 3, f"open files are {files} again", within_s=20)
    growth = [later - before for before, later in pairwise(memory)]
    assert median(growth) < KEPT_BY_A_MEETING_BYTES, growth
