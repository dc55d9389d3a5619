"""Whoever has little uplink stops sending the larger layers; the others go on seeing and hearing the lowest."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.support.browser import wait_until
from tests.support.call import LARGE, Sender, Watched, Watcher, first_good

UPLINK_BPS = 400_000
# Chromium notices within a second or two, and leaves a layer when it is sure.
GONE_WITHIN_S = 20.0
# What the picture loses while it changes its layer is not of the link.
SETTLED_S = 2.0


@pytest.fixture
def narrow(sender: Sender) -> Iterator[Sender]:
    yield sender
    sender.link.up(rate_bps=None)
    sender.comes_back()


def test_a_narrow_uplink_costs_the_top_layers(watchers: Callable[..., Watcher], narrow: Sender) -> None:
    watcher = watchers(2, viewport=LARGE)
    watcher.sees_layer(960)
    narrow.link.up(rate_bps=UPLINK_BPS)
    wait_until(lambda: narrow.sends(1).get("f") == 0, "the top layer is gone", within_s=GONE_WITHIN_S)
    watcher.sees_layer(240, within_s=10)
    watcher.pause(SETTLED_S)

    def span() -> tuple[Watched, dict[str, float]]:
        watcher.begin()
        sent = narrow.sends(10)
        return watcher.end(), sent

    def good(span: tuple[Watched, dict[str, float]]) -> bool:
        seen, sent = span
        # one second of standstill: three browsers on two cores make one now and then, a sender that chokes makes many
        goes_on = seen.frames_per_s > 8 and seen.frozen < 0.1 and seen.concealed < 0.05
        return goes_on and sent["f"] == 0 and 50_000 < sum(sent.values()) < UPLINK_BPS

    first_good(span, good, spans=3)
    _, up = narrow.link.report()
    assert up.wait_p50_ms < 100, up
