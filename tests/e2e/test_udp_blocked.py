"""On a network that drops UDP the media take TCP to the same port."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.e2e.person import Person, new_meeting
from tests.support.netns import firewall
from tests.support.server import Server


@pytest.fixture
def no_udp(server: Server) -> Iterator[None]:
    firewall(
        f"""table inet lab {{
              chain incoming {{
                type filter hook input priority 0;
                udp dport {server.media_port} counter drop
              }}
            }}"""
    )
    yield
    firewall("")


def test_media_take_tcp(server: Server, people: Callable[..., Person], no_udp: None) -> None:
    code = new_meeting(server.client().register("ana", "Ana"))["code"]
    ana, ben = people("Ana", "red"), people("Ben", "green")
    ana.join(code)
    ben.join(code)
    ana.sees("Ben", "green")
    ben.sees("Ana", "red")
    ana.hears_something()
    protocols = ana.page.evaluate(
        """async () => {
             const found = [];
             for (const connection of parleyProbe.connections)
               for (const report of (await connection.getStats()).values())
                 if (report.type === 'local-candidate' && report.protocol) found.push(report.protocol);
             return found;
           }"""
    )
    assert "tcp" in protocols, protocols
