"""What is wrong with a sound, by name."""

import numpy as np
import pytest

from appliance.ai.measures import with_noise
from appliance.ai.sound import RATE_HZ, Samples, resample, to_wav
from appliance.ai.speech.quality import FAULTS, QualityTask, measure
from appliance.ai.speech.vad import FRAME
from appliance.inference.task import Request, Result, TaskError
from tests.support.ai_models import model, recording
from tests.support.ai_sounds import noise


@pytest.fixture(scope="module")
def speech() -> Samples:
    return recording("two_cities")[RATE_HZ : 5 * RATE_HZ]


def faults(samples: Samples) -> list[str]:
    request = Request({"format": "pcm_f32", "sample_rate": RATE_HZ}, samples.tobytes())
    (answer,) = QualityTask(model("dnsmos")).run([request])
    assert isinstance(answer, Result), answer
    assert set(answer.values["faults"]) <= set(FAULTS)
    return answer.values["faults"]


@pytest.mark.slow
def test_each_fault_is_found_and_clean_speech_has_none(speech: Samples) -> None:
    assert faults(speech) == []
    assert "noisy" in faults(with_noise(speech, 5))
    assert faults(speech * np.float32(0.02)) == ["too_quiet"]
    assert "clipped" in faults(np.clip(speech * 40, -1, 1).astype(np.float32))
    assert "offset" in faults((speech + 0.05).astype(np.float32))
    assert faults(np.zeros(RATE_HZ, np.float32)) == ["silent"]
    assert faults(noise(2, 0.1)) == ["no_speech"]
    assert "narrow" in faults(resample(resample(speech, RATE_HZ, 8000), 8000, RATE_HZ))


@pytest.mark.slow
def test_where_nobody_speaks_there_is_no_opinion_of_speech() -> None:
    task = QualityTask(model("dnsmos"))
    silence, short = task.run([Request({}, to_wav(np.zeros(n, np.float32))) for n in (RATE_HZ, 4000)])
    assert isinstance(silence, Result)
    assert silence.values["opinion"] is None
    assert isinstance(short, TaskError) and short.code == "bad_audio"


def test_levels_are_those_of_a_sine() -> None:
    sine = (0.5 * np.sin(np.arange(RATE_HZ) * 0.3)).astype(np.float32)
    values = measure(sine, [1.0] * (RATE_HZ // FRAME))
    assert values["level_dbfs"] == pytest.approx(-9.0, abs=0.1)
    assert values["peak_dbfs"] == pytest.approx(-6.0, abs=0.1)
    assert values["speech_share"] == 1
