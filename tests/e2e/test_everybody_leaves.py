"""When everybody has left, the server is as it was: no sessions, no rooms, no tasks, no memory that stays."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.person import Person, new_meeting
from tests.support.browser import wait_until
from tests.support.server import Server

# The allocator keeps some pages of the first meeting; what must not happen is that every meeting keeps as many.
KEPT_BY_THE_ALLOCATOR_BYTES = 4 * 1024 * 1024


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

    _meet_and_leave(new_meeting(host)["code"], three)
    wait_until(at_rest, "the first meeting is gone", within_s=45)
    files, memory = server.open_files(), server.memory_bytes()

    for _ in range(3):
        _meet_and_leave(new_meeting(host)["code"], three)
        wait_until(at_rest, "the meeting is gone", within_s=45)

    wait_until(lambda: server.open_files() <= files + 3, f"open files are {files} again", within_s=20)
    assert server.memory_bytes() - memory < KEPT_BY_THE_ALLOCATOR_BYTES
