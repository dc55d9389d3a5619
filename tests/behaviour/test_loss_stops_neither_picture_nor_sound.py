"""On a link that loses 5 % of all packets, near or far, pictures stand still less than 2 % of the time and the sound
plays; at 10 % both go on."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.call import SPANS, Watched, Watcher, first_good, watch_together

# A freeze is 0.2 s at least, so that one is allowed in this time and two are not.
SPAN_S = 15.0
SETTLED_S = 4.0
FROZEN = 0.02
# Redundant blocks leave 0.4 to 0.7 %; plain Opus is concealed 4 to 5 %.
CONCEALED = 0.03


def test_loss_stops_neither_picture_nor_sound(watchers: Callable[..., Watcher]) -> None:
    near, far = watchers(2), watchers(3)
    near.link.both(rtt_ms=50)
    far.link.both(rtt_ms=150)
    for one in (near, far):
        one.link.down(loss=0.05)
    watch_together([near, far], SETTLED_S)

    spans: list[list[Watched]] = []
    wanted = {0, 1}
    while wanted:
        spans.append(watch_together([near, far], SPAN_S))
        wanted = {i for i in wanted if not _is_good(spans[-1][i])}
        assert not wanted or len(spans) < SPANS, spans

    for one in (near, far):
        one.link.down(loss=0.10)
    first_good(
        lambda: watch_together([near, far], 6),
        lambda span: all(seen.frames_per_s > 8 and seen.concealed < 0.2 for seen in span),
    )


def _is_good(seen: Watched) -> bool:
    return seen.frozen < FROZEN and seen.frames_per_s > 10 and seen.concealed < CONCEALED
