"""The host mutes and removes people and ends the meeting; who was removed does not come back."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.person import Person, new_meeting
from tests.support.http_client import PASSWORD
from tests.support.server import Server


def test_host_mutes_kicks_and_ends(server: Server, people: Callable[..., Person]) -> None:
    account = server.client().register("ana", "Ana")
    code = new_meeting(account)["code"]
    ana, ben, cleo = people("Ana", "red"), people("Ben", "red"), people("Cleo", "red")
    ana.sign_in("ana", PASSWORD)
    for person in (ana, ben, cleo):
        person.join(code)
    ana.sees_people(["Ben", "Cleo"])

    ana.press("people")
    ana.mutes("Ben")
    ana.sees_muted("Ben")
    ben.has_microphone(on=False)
    cleo.sees_muted("Ben")

    ana.kicks("Ben")
    ben.sees_screen("kicked")
    ana.sees_people(["Cleo"])
    cleo.sees_people(["Ana"])
    cleo.sees("Ana", "red")

    ben.cannot_join(code)
    ben.expects_console("status of 403 .*/join")

    ana.ends_for_all()
    cleo.sees_screen("ended")
