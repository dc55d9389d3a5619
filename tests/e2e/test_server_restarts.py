"""The server restarts in the middle of a meeting: both browsers come back by themselves and say so meanwhile."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.e2e.person import Person, new_meeting
from tests.support.server import Server

EXPECTED = ("WebSocket", "ERR_", "Failed to load resource", "Failed to fetch", "50[0-9]")


@pytest.mark.parametrize("how", ["stopped", "crashed"])
def test_people_come_back_by_themselves(server: Server, people: Callable[..., Person], how: str) -> None:
    code = new_meeting(server.client().register("ana", "Ana"))["code"]
    ana, ben = people("Ana", "red"), people("Ben", "green")
    for person in (ana, ben):
        person.join(code)
    ana.sees("Ben", "green")

    if how == "stopped":
        server.stop()
    else:
        server.kill()
    for person in (ana, ben):
        person.is_told_about_reconnecting()
    server.start()

    for person, other, colour in ((ana, "Ben", "green"), (ben, "Ana", "red")):
        person.is_connected_again(within_s=45)
        person.sees_people([other])
        person.sees(other, colour)
        person.hears_something()
        person.expects_console(*EXPECTED)
