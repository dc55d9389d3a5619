"""A guest joins by link with a name and the passcode; a wrong one is refused in place; a locked meeting says so."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.person import Person, new_meeting
from tests.support.http_client import PASSWORD
from tests.support.server import Server


def test_guest_needs_the_passcode(server: Server, people: Callable[..., Person]) -> None:
    account = server.client().register("ana", "Ana")
    code = new_meeting(account, passcode="letmein")["code"]
    ana, ben = people("Ana", "red"), people("Ben", "green")
    ana.sign_in("ana", PASSWORD)
    ana.join(code)

    ben.tries_to_join(code, passcode="wrong")
    ben.stays_out()
    ben.page.fill("passcode-input", "letmein")
    ben.page.click("join-button")
    ben.is_in_the_room()
    ben.sees("Ana", "red")
    ana.sees("Ben", "green")
    ben.expects_console("403", "401")


def test_meeting_without_guests_refuses_them(server: Server, people: Callable[..., Person]) -> None:
    account = server.client().register("ana", "Ana")
    code = new_meeting(account, guests_allowed=False)["code"]
    ben = people("Ben", "green")
    ben.tries_to_join(code)
    ben.stays_out()
    ben.expects_console("403", "401")
