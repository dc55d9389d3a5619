"""Behind 300 kb/s, behind 1 Mb/s and through 1 % of loss the server knows what the link carries ten seconds after it
changed, pictures and sound go on, and what is sent waits for less than 100 ms.

The exact promise, 80 to 105 % of the rate, is held against seeded links in
`appliance/dataplane/tests/congestion.rs`. Here server, browsers and links share two cores with others, and one estimate
is one moment of a noisy machine: it is looked at for some seconds, of which the median counts, and the bounds are wide:
some runs still end at 54 to 63 % (tests/load/RESULTS.md). The estimator of before found a quarter.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.support.call import LARGE, Call, Watched, Watcher, first_good, watch_together
from tests.support.impaired_link import WayReport

FOUND_S = 10.0
LOOKS, EACH_S = 8, 0.5
ESTIMATE = (0.50, 1.10)
# Half of the time the queue is as good as empty; 95 % of packets within 100 ms is the promise, and a forwarder that
# waits for a core adds to it.
QUEUE_P50_MS, QUEUE_P95_MS = 60.0, 150.0
RTT_MS = 40


def test_a_narrow_link_is_known_and_no_queue_grows(call: Call, watchers: Callable[..., Watcher]) -> None:
    wide, narrow = watchers(2, viewport=LARGE), watchers(3)
    for one in (wide, narrow):
        one.link.both(rtt_ms=RTT_MS)
    for rates in ((1e6, 300e3), (300e3, 1e6)):
        for watcher, bps in zip((wide, narrow), rates, strict=True):
            watcher.link.down(rate_bps=bps)
        time.sleep(FOUND_S)
        _holds(call, (wide, narrow), rates)

    for one in (wide, narrow):
        one.link.down(rate_bps=None, loss=0.01)
    time.sleep(6)  # frames come back three seconds after the link has become better
    # 13 of 15 on a quiet machine; three browsers on two cores that others use too show half of them
    first_good(
        lambda: watch_together([wide, narrow], 5),
        lambda span: all(seen.frames_per_s > 5 and seen.concealed < 0.05 for seen in span),
    )


def _holds(call: Call, watchers: tuple[Watcher, Watcher], rates: tuple[float, float]) -> None:
    """In one of a few spans."""
    first_good(lambda: _span(call, watchers, rates), lambda span: all(_is_good(link) for link in span), spans=3)


@dataclass(frozen=True)
class Link:
    """Of one watcher, over one span."""

    bps: float
    estimates: list[float]
    """Shares of ``bps``."""
    queue: WayReport
    seen: Watched


def _span(call: Call, watchers: tuple[Watcher, Watcher], rates: tuple[float, float]) -> list[Link]:
    for watcher in watchers:
        watcher.begin()
    looks: list[list[float]] = [[], []]
    for _ in range(LOOKS):
        for shares, watcher, bps in zip(looks, watchers, rates, strict=True):
            shares.append(call.estimate_bps(watcher) / bps)
        time.sleep(EACH_S)
    return [
        Link(bps, shares, watcher.link.report()[0], watcher.end())
        for shares, watcher, bps in zip(looks, watchers, rates, strict=True)
    ]


def _is_good(link: Link) -> bool:
    known = ESTIMATE[0] <= statistics.median(link.estimates) <= ESTIMATE[1]
    quick = link.queue.wait_p50_ms < QUEUE_P50_MS and link.queue.wait_p95_ms < QUEUE_P95_MS
    # 300 kb/s carry every fourth frame of 15, and a busy browser shows half of them
    return known and quick and link.seen.frames_per_s > 1.5 and link.seen.concealed < 0.05
