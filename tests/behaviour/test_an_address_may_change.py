"""A client whose address changes during a call keeps its pictures, and one that has IPv6 only has them too."""

from __future__ import annotations

import time
from collections.abc import Callable

from tests.support.call import Call, Watcher

# Chromium checks a pair that stands each 2.5 s (libwebrtc, STRONG_AND_STABLE_WRITABLE_CONNECTION_PING_INTERVAL), and
# the server follows the first check from a new address.
FOLLOWED_WITHIN_S = 6.0
# The page's socket and its peer connection notice by silence, and start anew.
BACK_WITHIN_S = 40.0


def test_a_nat_forgets_its_mapping(watchers: Callable[..., Watcher]) -> None:
    watcher = watchers(2)
    for address in (77, 78):
        watcher.link.is_seen_as(address)
        _sees_frames_again(watcher, FOLLOWED_WITHIN_S)
    assert watcher.page.evaluate("() => parleyProbe.connections.length") == 1


def test_a_client_moves_to_another_network(watchers: Callable[..., Watcher]) -> None:
    watcher = watchers(2)
    with watcher.link.moved(3):
        _sees_frames_again(watcher, BACK_WITHIN_S)
    watcher.expects_console("WebSocket", "ERR_")


def test_a_client_with_ipv6_alone(call: Call, watchers: Callable[..., Watcher]) -> None:
    with call.link(3).without_four():
        watcher = watchers(3, six=True)
        _sees_frames_again(watcher, 5)
    pair = watcher.page.evaluate(
        """async () => {
             for (const connection of parleyProbe.connections) {
               const all = [...(await connection.getStats()).values()];
               const pair = all.find((r) => r.type === 'candidate-pair' && r.nominated);
               if (pair) return all.find((r) => r.id === pair.remoteCandidateId).address;
             }
           }"""
    )
    assert ":" in pair


def _sees_frames_again(watcher: Watcher, within_s: float) -> None:
    """A steady picture within this time, after a break or without one."""
    deadline = time.monotonic() + within_s
    while True:
        watcher.begin()
        watcher.pause(1)
        seen = watcher.end()
        if seen.frames_per_s > 8:
            return
        assert time.monotonic() < deadline, seen
