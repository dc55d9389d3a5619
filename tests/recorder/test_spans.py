"""Spans are united, cut and compared as sets of moments are."""

from __future__ import annotations

from appliance.recorder.spans import common, span_at, united, without


def test_united() -> None:
    assert united([(5, 7), (1, 3), (2, 4), (4, 4), (9, 8)]) == [(1, 4), (5, 7)]
    assert united([(1, 3), (5, 7)], bridged=2) == [(1, 7)]
    assert united([]) == []


def test_without() -> None:
    assert without([(0, 10)], [(2, 3), (5, 12)]) == [(0, 2), (3, 5)]
    assert without([(0, 10)], [(0, 10)]) == []
    assert without([(0, 2), (4, 6)], [(1, 5)]) == [(0, 1), (5, 6)]
    assert without([(3, 6)], [(0, 1), (8, 9)]) == [(3, 6)]


def test_common() -> None:
    assert common([(0, 5), (8, 12)], [(3, 9)]) == [(3, 5), (8, 9)]
    assert common([], [(1, 2)]) == []
    assert common([(0, 5)], []) == []


def test_a_span_holds_its_beginning_and_not_its_end() -> None:
    spans = [(1, 3), (5, 7)]
    assert [span_at(spans, at) for at in (0, 1, 2, 3, 5, 7)] == [None, (1, 3), (1, 3), None, (5, 7), None]
