"""The border to the running meetings: they, the stand-in of these tests and the socket keep to it."""

from __future__ import annotations

import inspect

import pytest

from appliance.api import live_port
from appliance.api.websocket import AsgiSocket
from appliance.live.directory import Live
from appliance.live.recorder import Recorder
from tests.support.recorder_ledger import RecorderLedger
from tests.support.room_ledger import RoomLedger


def methods(protocol: type) -> dict[str, inspect.Signature]:
    return {
        name: inspect.signature(value)
        for name, value in vars(protocol).items()
        if not name.startswith("_") and inspect.isfunction(value)
    }


@pytest.mark.parametrize(
    ("protocol", "made"),
    [
        (live_port.LiveMeetings, RoomLedger),
        (live_port.LiveMeetings, Live),
        (live_port.Recorder, RecorderLedger),
        (live_port.Recorder, Recorder),
        (live_port.Socket, AsgiSocket),
    ],
)
def test_who_implements_it_takes_the_same(protocol: type, made: type) -> None:
    wanted = methods(protocol)
    assert wanted
    for name, signature in wanted.items():
        mine = inspect.signature(getattr(made, name))
        assert list(mine.parameters) == list(signature.parameters), name
        assert [p.kind for p in mine.parameters.values()] == [p.kind for p in signature.parameters.values()]


def test_a_closed_socket_says_how() -> None:
    closed = live_port.SocketClosed(1009, "too big")
    assert (closed.code, closed.reason, str(closed)) == (1009, "too big", "socket closed with 1009 too big")
    assert str(live_port.SocketClosed(1006)) == "socket closed with 1006"
