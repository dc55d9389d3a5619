"""Scores, and when they are told."""

from __future__ import annotations

import pytest

from appliance.live.quality import QualityBoard, score
from appliance.sfu.readings import SessionQuality


def line(*, rtt_ms: int | None = 20, up: float = 0.0, down: float = 0.0, connected: bool = True) -> SessionQuality:
    return SessionQuality(rtt_ms=rtt_ms, uplink_loss=up, downlink_loss=down, connected=connected)


@pytest.mark.parametrize(
    ("quality", "expected"),
    [
        (line(), 4),
        (line(rtt_ms=None), 4),
        (line(up=0.02), 3),
        (line(rtt_ms=300), 3),
        (line(down=0.05), 2),
        (line(rtt_ms=500), 2),
        (line(up=0.1), 1),
        (line(rtt_ms=800), 1),
        (line(connected=False), 0),
    ],
)
def test_the_steps(quality: SessionQuality, expected: int) -> None:
    assert score(quality) == expected


def test_everybody_is_told_when_one_score_changes_or_somebody_comes() -> None:
    board = QualityBoard()
    first = board.update({"a": line(), "b": line(up=0.0312)})
    assert first is not None
    assert [(p.participant_id, p.score, p.uplink_loss) for p in first] == [("a", 4, 0.0), ("b", 3, 0.031)]
    assert board.update({"a": line(rtt_ms=50), "b": line(up=0.04)}) is None
    assert board.update({"a": line(rtt_ms=350), "b": line(up=0.04)}) is not None
    assert board.update({"a": line(rtt_ms=350)}) is None  # that b left is told otherwise
    assert board.update({"a": line(rtt_ms=350), "b": line()}) is not None
