"""Denoising; how much is gained is in test_bench."""

import numpy as np
import pytest

from appliance.ai.measures import si_sdr_db, with_noise
from appliance.ai.sound import RATE_HZ, decode_audio_untrusted, to_wav
from appliance.ai.speech.denoise import DELAY, HOP, DenoiseTask, Denoising, denoise
from appliance.inference.task import Request, Result, TaskError
from tests.support.ai_models import model, recording, without
from tests.support.ai_sounds import opus_packets

pytestmark = pytest.mark.slow

CLEAN_S = 3


@pytest.fixture(scope="module")
def sounds() -> tuple[np.ndarray, np.ndarray]:
    clean = recording("two_cities")[RATE_HZ : (1 + CLEAN_S) * RATE_HZ]
    return clean, with_noise(clean, 5)


def test_a_stream_is_the_whole_a_delay_later(sounds: tuple[np.ndarray, np.ndarray]) -> None:
    graphs = model("dtln").sessions
    noisy = sounds[1][:RATE_HZ]
    stream = Denoising(graphs["spectrum"], graphs["features"])
    live = np.concatenate([stream.feed(noisy[at : at + 333]) for at in range(0, len(noisy), 333)])
    whole = denoise(graphs["spectrum"], graphs["features"], noisy)
    assert len(whole) == len(noisy)
    assert len(live) == len(noisy) // HOP * HOP
    assert np.allclose(live[DELAY:], whole[: len(live) - DELAY], atol=1e-4)


def test_strength_mixes_without_a_shift(sounds: tuple[np.ndarray, np.ndarray]) -> None:
    graphs = model("dtln").sessions
    noisy = sounds[1][:RATE_HZ]
    untouched = denoise(graphs["spectrum"], graphs["features"], noisy, strength=0.0)
    assert np.allclose(untouched, noisy, atol=1e-5)


def test_the_task_answers_files_and_streams(sounds: tuple[np.ndarray, np.ndarray]) -> None:
    clean, noisy = sounds
    task = DenoiseTask(model("dtln"))
    (answer,) = task.run([Request({}, to_wav(noisy))])
    assert isinstance(answer, Result)
    assert answer.values == {"sample_rate": RATE_HZ, "samples": len(noisy), "delay_ms": 0}
    assert si_sdr_db(clean, decode_audio_untrusted(answer.payload, "wav")) > si_sdr_db(clean, noisy) + 5
    packets = opus_packets(noisy[:RATE_HZ])
    asked = {"session": "a", "packets": [len(packet) for packet in packets], "last": True}
    (answer,) = task.run([Request(asked, b"".join(packets))])
    assert isinstance(answer, Result)
    assert answer.values["delay_ms"] == 24
    assert len(answer.payload) == 4 * answer.values["samples"]
    assert answer.values["samples"] >= RATE_HZ


def test_what_cannot_be_used_says_why() -> None:
    task = DenoiseTask(model("dtln"))
    wav = to_wav(np.zeros(RATE_HZ, np.float32))
    for request, code in (
        (Request({}, b""), "bad_audio"),
        (Request({"strength": 2}, wav), "bad_option"),
        (Request({"output": "mp3"}, wav), "bad_option"),
        (Request({"session": "x"}, b""), "bad_audio"),
    ):
        (answer,) = task.run([request])
        assert isinstance(answer, TaskError)
        assert answer.code == code
    with pytest.raises(ValueError, match="features"):
        DenoiseTask(without(model("dtln"), "features"))
