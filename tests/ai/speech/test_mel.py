"""Spectrograms, on tones whose place is known."""

import numpy as np

from appliance.ai.sound import RATE_HZ
from appliance.ai.speech.mel import filter_bank, power_mel, whisper_mel
from tests.support.ai_sounds import tone


def test_each_filter_has_area_one_and_rises_in_frequency() -> None:
    for bands in (40, 80):
        bank = filter_bank(bands)
        assert bank.shape == (bands, 201)
        centres = bank.argmax(axis=1)
        assert (np.diff(centres) >= 0).all()
        areas = bank.sum(axis=1) * RATE_HZ / 400
        assert np.allclose(areas[bands // 2 :], 1, atol=0.1)


def test_a_tone_lies_in_its_band() -> None:
    # Slaney: 1 kHz is mel 15, 8 kHz is 15 + 27 ln(8) / ln(6.4) = 45.25; 80 bands have 82 edges.
    for hz, mel in ((1000, 15.0), (500, 7.5), (4000, 15 + 27 * np.log(4) / np.log(6.4))):
        band = power_mel(tone(1.0, hz), 80)[10:-10].mean(axis=0).argmax()
        assert abs(band - (mel / 45.245 * 81 - 1)) <= 1


def test_whisper_hears_thirty_seconds_whatever_comes() -> None:
    for seconds in (0.1, 2, 31):
        mel = whisper_mel(tone(seconds))
        assert mel.shape == (1, 80, 3000)
        assert mel.dtype == np.float32
        assert mel.max() - mel.min() <= 2.0 + 1e-5
    assert whisper_mel(tone(1))[0, :, 200:].max() == whisper_mel(tone(1)).min()
