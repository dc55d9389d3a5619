"""The benchmark of composing says so when it takes longer than the recording did."""

from __future__ import annotations

from tests.load.compose import TARGET, meets_target


def test_the_slowest_decides() -> None:
    assert meets_target([{"cpu_s_per_s": 0.5}, {"cpu_s_per_s": TARGET - 0.01}])
    assert not meets_target([{"cpu_s_per_s": 0.5}, {"cpu_s_per_s": TARGET}])
