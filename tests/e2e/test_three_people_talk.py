"""Three people in three browsers see each other move, hear each other, mute, and share a screen."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.person import Person, new_meeting
from tests.support.server import Server


def test_three_people_talk(server: Server, people: Callable[..., Person]) -> None:
    host = server.client().register("ana", "Ana")
    code = new_meeting(host)["code"]
    ana, ben, cleo = people("Ana", "red"), people("Ben", "green"), people("Cleo", "blue")
    for person in (ana, ben, cleo):
        person.join(code)

    # Everybody sees both others, in their own colours, moving.
    colours = {"Ana": "red", "Ben": "green", "Cleo": "blue"}
    for person in (ana, ben, cleo):
        person.sees_people([name for name in colours if name != person.name])
        for name, colour in colours.items():
            if name != person.name:
                person.sees(name, colour)
        person.hears_something()

    # Silence needs everybody's: Ana hears Ben while Cleo is muted, and nothing when he is muted too.
    cleo.press("mic")
    ana.sees_muted("Cleo")
    ana.hears_something()
    ben.press("mic")
    ana.sees_muted("Ben")
    ana.hears_nothing()
    ben.press("mic")
    ana.sees_muted("Ben", muted=False)
    ana.hears_something()

    # A camera that is switched off is gone for the others, and comes back without anybody else noticing.
    ben.press("camera")
    ana.does_not_see("Ben")
    cleo.does_not_see("Ben")
    ana.sees("Cleo", "blue")
    ben.press("camera")
    ana.sees("Ben", "green")
    cleo.sees("Ben", "green")

    # A screen is one more picture beside the camera.
    ben.press("share")
    for person in (ana, cleo):
        person.sees("Ben", source="screen")
        person.sees("Ben", "green")
    ben.press("share")
    for person in (ana, cleo):
        person.does_not_see("Ben", source="screen")

    # Words reach everybody.
    ana.press("chat")
    ana.say("hello from Ana")
    for person in (ben, cleo):
        person.press("chat")
        person.reads("hello from Ana")
