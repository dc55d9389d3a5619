"""Measures are themselves measured, on what is known."""

import numpy as np
import pytest

from appliance.ai.measures import (
    character_error_rate,
    distance,
    psnr_db,
    sharpness,
    si_sdr_db,
    with_noise,
    word_error_rate,
)
from tests.support.ai_sounds import tone


def test_error_rates_count_words_and_characters() -> None:
    assert distance("kitten", "sitting") == 3
    assert word_error_rate("It was, the BEST of times.", "it was the best of times") == 0
    assert word_error_rate("one two three four", "one too three") == 0.5
    assert word_error_rate("one", "a b c") == 3
    assert character_error_rate("你好世界。", "你好，世界") == 0
    assert character_error_rate("你好世界", "您好世界") == 0.25


def test_si_sdr_does_not_mind_loudness() -> None:
    clean = tone(1.0)
    assert si_sdr_db(clean, with_noise(clean, 10)) == pytest.approx(10, abs=0.3)
    assert si_sdr_db(clean, with_noise(clean, 10) * np.float32(0.1)) == pytest.approx(10, abs=0.3)


def test_pictures() -> None:
    black = np.zeros((20, 20, 3), np.uint8)
    assert psnr_db(black, black + np.uint8(1)) == pytest.approx(48.13, abs=0.01)
    stripes = black.copy()
    stripes[:, ::2] = 100
    assert (sharpness(black), sharpness(stripes)) == (0, 50)
