"""Picture size on the screen → layer."""

from __future__ import annotations

import pytest

from appliance.sfu.layers import ALL_TEMPORAL, choose_layer, choose_temporal


@pytest.mark.parametrize(
    ("width", "height", "layers", "layer"),
    [
        (160, 90, 3, 0),
        (320, 180, 3, 0),
        (400, 225, 3, 0),  # a quarter larger is still the small one
        (401, 225, 3, 1),
        (640, 360, 3, 1),
        (800, 450, 3, 1),
        (960, 540, 3, 2),
        (8192, 8192, 3, 2),
        (90, 450, 3, 1),  # a tall tile counts by its height
        (320, 180, 2, 0),
        (640, 360, 2, 0),
        (1280, 720, 2, 1),
        (320, 180, 1, 0),
        (1280, 720, 1, 0),
        (100, 100, 0, 0),
    ],
)
def test_the_smallest_layer_that_looks_right(width: int, height: int, layers: int, layer: int) -> None:
    assert choose_layer(width=width, height=height, layers=layers) == layer


def test_layers_only_rise_with_size() -> None:
    chosen = [choose_layer(width=w, height=w * 9 // 16, layers=3) for w in range(0, 2000, 10)]
    assert chosen == sorted(chosen) and set(chosen) == {0, 1, 2}


@pytest.mark.parametrize(
    ("fps", "temporal"), [(1, 0), (7, 0), (8, 1), (15, 1), (16, ALL_TEMPORAL), (120, ALL_TEMPORAL)]
)
def test_frame_rate(fps: int, temporal: int) -> None:
    assert choose_temporal(fps) == temporal
