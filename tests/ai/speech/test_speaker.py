"""Voices told apart; the similarities are in test_bench."""

import numpy as np
import pytest

from appliance.ai.sound import RATE_HZ, to_wav
from appliance.ai.speech.speaker import SAME_VOICE, SpeakerTask, Voices, embed
from appliance.inference.task import Request, Result, TaskError
from tests.support.ai_models import model, recording

pytestmark = pytest.mark.slow


def test_an_embedding_is_a_unit_vector_whatever_the_loudness() -> None:
    session = model("ge2e").sessions["model"]
    samples = recording("en_counting")
    loud, quiet = embed(session, samples), embed(session, samples * np.float32(0.05))
    assert loud.shape == (256,)
    assert np.linalg.norm(loud) == pytest.approx(1, abs=1e-5)
    assert float(loud @ quiet) > 0.999


def test_two_people_at_one_microphone_are_two_voices() -> None:
    task = SpeakerTask(model("ge2e"))
    reader, actor = recording("two_cities"), recording("beckett")
    turns = [
        (reader[RATE_HZ : 6 * RATE_HZ], 1),
        (actor[: 5 * RATE_HZ], 2),
        (reader[20 * RATE_HZ : 26 * RATE_HZ], 1),
        (actor[5 * RATE_HZ :], 2),
    ]
    for samples, voice in turns:
        (answer,) = task.run([Request({"session": "room"}, to_wav(samples))])
        assert isinstance(answer, Result)
        assert answer.values["voice"] == voice
        assert answer.values["similarity"] >= SAME_VOICE
    task.close("room")
    (answer,) = task.run([Request({"session": "room"}, to_wav(actor))])
    assert answer.values["voice"] == 1


def test_voices_are_bounded() -> None:
    voices = Voices(same_voice=0.9, most=2)
    axes = np.eye(3, dtype=np.float32)
    assert [voices.assign(axis, 1.0)[0] for axis in axes[:2]] == [1, 2]
    assert voices.assign(np.array([0.1, 0.2, 0.97], np.float32), 1.0)[0] == 2


@pytest.mark.parametrize("samples", [np.zeros(RATE_HZ * 2, np.float32), np.full(RATE_HZ // 2, 0.1, np.float32)])
def test_silence_and_a_word_have_no_voice(samples: np.ndarray) -> None:
    (answer,) = SpeakerTask(model("ge2e")).run([Request({}, to_wav(samples))])
    assert isinstance(answer, TaskError)
    assert answer.code == "bad_audio"
