"""A person whose signaling goes silent for ten seconds keeps seeing and hearing, and resumes with what was missed."""

from __future__ import annotations

from collections.abc import Callable

from tests.e2e.person import Person, new_meeting
from tests.support.relay import relay_to
from tests.support.server import Server

SILENT_FOR_S = 10.0


def test_socket_lost_for_ten_seconds(server: Server, people: Callable[..., Person]) -> None:
    code = new_meeting(server.client().register("ana", "Ana"))["code"]
    ana = people("Ana", "red")
    ana.join(code)
    with relay_to(server.http_port) as relay:
        ben = people("Ben", "red", url=f"http://127.0.0.1:{relay.port}")
        ben.join(code)
        ana.sees("Ben", "red")
        ben.sees("Ana", "red")
        session = ben.page.evaluate("() => parleyProbe.connections.length")
        before = ben.received()

        relay.go_silent()
        ana.press("chat")
        ana.say("said while Ben was away")
        ben.pause(SILENT_FOR_S)
        during = ben.received()
        relay.come_back(reset=True)

        # Media went on: pictures at no less than half the camera's rate, and hardly any concealed sound.
        assert during["framesDecoded"] - before["framesDecoded"] >= SILENT_FOR_S * 15 / 2, (before, during)
        samples = during["audioSamples"] - before["audioSamples"]
        assert samples > 0
        assert (during["concealed"] - before["concealed"]) / samples < 0.1, (before, during)

        # The session is the same one: what was said comes, and nobody negotiated a new connection.
        ben.press("chat")
        ben.reads("said while Ben was away", within_s=40)
        ben.say("I am back")
        ana.reads("I am back")
        ana.sees_people(["Ben"])
        ana.sees("Ben", "red")
        assert ben.page.evaluate("() => parleyProbe.connections.length") == session
        ben.expects_console("WebSocket", "ERR_", "Failed to load resource")
