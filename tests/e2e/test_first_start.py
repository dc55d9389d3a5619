"""A stranger's first minutes, through the page: the one-time link, an account, a meeting, leaving, signing out."""

from __future__ import annotations

import re
from collections.abc import Callable

from tests.e2e.person import Person
from tests.support.http_client import PASSWORD
from tests.support.server import Server


def test_from_the_first_link_to_a_meeting(server: Server, people: Callable[..., Person]) -> None:
    link = re.search(r"https?://\S+/setup\S*", server.log())
    assert link, server.log()
    root = people("Root", "red")
    root.page.goto(link[0])
    fields = {"username": "root", "nickname": "Root", "email": "root@example.org", "password": PASSWORD}
    for field, text in fields.items():
        root.page.fill(f"register-{field}", text)
    root.page.click("setup-submit")
    root.page.click("setup-continue")
    root.page.click("setup-done")
    root.page.click("new-meeting")
    root.joins_from_here()
    code = root.page.evaluate("() => location.pathname.slice(1)")
    assert re.fullmatch(r"[a-z]{3}-[a-z]{4}-[a-z]{3}", code), code

    # Somebody else makes an account through the page and comes by the code.
    ben = people("Ben", "green")
    ben.page.goto(server.url + "/register")
    fields = {"username": "ben", "email": "ben@example.org", "nickname": "Ben", "password": PASSWORD}
    for field, text in fields.items():
        ben.page.fill(f"register-{field}", text)
    ben.page.click("register-submit")
    ben.page.fill("code-input", code)
    ben.page.click("code-join")
    ben.joins_from_here()
    ben.sees("Root", "red")
    root.sees("Ben", "green")
    ben.leave()
    root.leave()

    # The one-time link is used up, and the account signs in by hand.
    assert server.client().get("/setup") == {"needed": False}
    again = people("Again", "red")
    again.page.goto(server.url + "/login")
    again.page.fill("login-name", "root")
    again.page.fill("login-password", PASSWORD)
    again.page.click("login-submit")
    again.page.wait_for("() => !!document.querySelector(`[data-testid='new-meeting']`)")
