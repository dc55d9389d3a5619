"""Voice activity, by the real model."""

import numpy as np
import pytest

from appliance.ai.speech.vad import FRAME, VoiceActivity
from tests.support.ai_models import model, recording
from tests.support.ai_sounds import noise, tone


def activity() -> VoiceActivity:
    return VoiceActivity(model("silero-vad").sessions["vad"])


@pytest.mark.slow
def test_speech_is_speech_and_noise_tone_and_silence_are_not() -> None:
    assert np.mean(activity().feed(recording("en_quick_brown_fox"))) > 0.7
    for other in (noise(2), tone(2), np.zeros(32_000, np.float32)):
        assert np.mean(activity().feed(other)) < 0.1


def test_pieces_give_what_the_whole_gives() -> None:
    samples = recording("en_quick_brown_fox")[:16_000]
    stream = activity()
    pieces = [p for at in range(0, len(samples), 333) for p in stream.feed(samples[at : at + 333])]
    assert pieces == activity().feed(samples)
    assert len(pieces) == len(samples) // FRAME
