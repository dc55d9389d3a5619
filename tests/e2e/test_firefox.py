"""Firefox and Chromium in one meeting, both directions."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.person import Person, new_meeting
from tests.support.firefox import Firefox
from tests.support.server import Server


def test_firefox_meets_chromium(server: Server, people: Callable[..., Person], fox: Firefox) -> None:
    code = new_meeting(server.client().register("ana", "Ana"))["code"]
    ana = people("Ana", "red")
    ben = Person("Ben", fox.new_page(), server.url)
    ana.join(code)
    ben.join(code)
    try:
        ana.sees("Ben")
        ana.hears_something()
        ben.sees("Ana", "red")
        ben.hears_something()

        # Muting and a rejoin cross the border too.
        ben.press("mic")
        ana.sees_muted("Ben")
        ana.hears_nothing()
        ben.leave()
        ana.sees_people([])
        ben.join(code)
        ana.sees("Ben")
        ben.sees("Ana", "red")
        assert ben.page.console_errors() == []
    finally:
        ben.page.close()
