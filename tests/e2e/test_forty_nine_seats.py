"""A page that offers the most receive seats there are still gets its answer, and people see each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.person import Person, new_meeting
from tests.support.server import Server, running_server

SEATS = 49


@pytest.fixture
def server(lab: None, tmp_path: Path) -> Iterator[Server]:
    """A server that asks for all seats at once, as in a meeting of fifty."""
    with running_server(tmp_path / "server", {"PARLEY_MEDIA__INITIAL_SEATS": str(SEATS)}) as running:
        yield running


def test_the_largest_offer_is_answered(server: Server, people: Callable[..., Person]) -> None:
    code = new_meeting(server.client().register("ana", "Ana"))["code"]
    ana, ben = people("Ana", "red"), people("Ben", "green")
    ana.join(code)
    ben.join(code)
    ana.sees("Ben", "green")
    ben.sees("Ana", "red")
    offer = ana.page.evaluate("() => parleyProbe.connections.at(-1).localDescription.sdp")
    assert offer.count("m=video") >= SEATS
    assert len(offer) < 200_000, "the frame limit is 256 KiB of SDP"
