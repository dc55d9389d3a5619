"""The benchmark of recording says so when a promise is not kept. Its figures are made up here, not measured."""

from __future__ import annotations

from typing import Any

import pytest

from tests.load.generator.figures import Window, parse_load
from tests.load.record import P99_RATIO_MOST, TARGET, Journals, Round, missed, result

LOAD = parse_load("1*4+0")
SECONDS = 10.0


def window(core: float, p99_ms: float, *void: str) -> Window:
    return Window(
        load=LOAD, server="parley", cipher="gcm", clients=4, seconds=SECONDS, received=1000, received_share=1.0,
        video_share=1.0, worst_received_share=1.0, cpu_s=core * SECONDS, cpu_s_by_thread={}, generator_cpu_share=0.1,
        foreign_cpu_share=0.0, rss_bytes=1, rss_per_peer_bytes=1, latency={"p50_ms": 0.1, "p99_ms": p99_ms},
        audio_latency={}, join={}, report={}, void=void,
    )  # fmt: skip


def rounds(*, added: float = 0.01, ratio: float = 1.0, void: tuple[str, ...] = ()) -> list[Round]:
    """Three, whose calls differ more from one another than recording adds."""
    return [
        Round(window(core, p99_ms, *void), window(core + added, p99_ms * ratio, *void), Journals(8, 100))
        for core, p99_ms in ((0.05, 0.3), (0.07, 2.0), (0.09, 0.9))
    ]


def judged(found: list[Round], lost: int = 0) -> list[str]:
    detail: dict[str, Any] = result(found, LOAD, lost, 0.0)["detail"]
    return missed(detail)


def test_what_keeps_every_promise_misses_none() -> None:
    assert judged(rounds()) == []


def test_each_broken_promise_is_named() -> None:
    assert judged(rounds(added=TARGET + 0.001)) == ["target_met"]
    # twice as late in each round, and still within the range of those without
    assert judged(rounds(ratio=2.0)) == ["p99_unchanged"]
    assert judged(rounds(ratio=P99_RATIO_MOST + 0.01)) == ["p99_unchanged"]
    assert judged(rounds(), lost=1) == ["records_lost"]


def test_one_round_that_was_disturbed_does_not_decide() -> None:
    found = [*rounds()[:2], Round(window(0.05, 0.3), window(0.06, 9.0), Journals(8, 100))]
    assert judged(found) == []


@pytest.mark.parametrize("broken", [{"added": 0.2}, {"ratio": 9.0}])
def test_void_rounds_say_nothing(broken: dict[str, float]) -> None:
    assert judged(rounds(**broken, void=("others used 90% of a core",))) == []
