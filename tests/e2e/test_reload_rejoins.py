"""A person who reloads the page is back in the meeting, once, and the others see the picture again."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.person import Person, new_meeting
from tests.support.server import Server


def test_reload_and_rejoin(server: Server, people: Callable[..., Person]) -> None:
    code = new_meeting(server.client().register("ana", "Ana"))["code"]
    ana, ben = people("Ana", "red"), people("Ben", "green")
    ana.join(code)
    ben.join(code)
    ana.sees("Ben", "green")

    ben.page.reload()
    ben.joins_from_here()
    ben.sees("Ana", "red")
    ana.sees_people(["Ben"])
    ana.sees("Ben", "green")
    ana.hears_something()
