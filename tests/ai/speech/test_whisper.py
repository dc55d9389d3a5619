"""Whisper on speech of several languages; its error rates are in test_bench."""

import numpy as np
import pytest

from appliance.ai.measures import word_error_rate
from appliance.ai.sound import RATE_HZ, to_wav
from appliance.ai.speech.byte_pairs import BytePairs
from appliance.ai.speech.transcript import doubtful
from appliance.ai.speech.whisper import Whisper, WhisperTask
from appliance.inference.task import Request, TaskError
from tests.support.ai_models import model, recording

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def whisper() -> Whisper:
    return Whisper(model("whisper-base-int8"))


def test_the_language_is_found(whisper: Whisper) -> None:
    assert len(whisper.languages) == 99
    chances = whisper.detect_language(recording("fr_pangrama"))
    assert max(chances, key=lambda code: chances[code]) == "fr"
    assert sum(chances.values()) == pytest.approx(1)


def test_what_was_spoken_before_is_expected_again(whisper: Whisper) -> None:
    first = np.zeros(51_865, np.float32)
    first[whisper._language_ids["en"]] = 1.0
    assert whisper._detected(first, None)[0] == "en"
    assert whisper._detected(first, "zh")[0] == "zh"
    first[whisper._language_ids["en"]] = 4.0
    assert whisper._detected(first, "zh")[0] == "en"


def test_a_loop_is_decoded_again_with_penalties(whisper: Whisper) -> None:
    # The same second ten times over: what greedy decoding alone repeats without end.
    second = recording("en_counting")[8_000:20_000]
    heard = whisper.transcribe(np.tile(second, 10), "en")
    assert len(heard.text.split()) < 60


def test_silence_says_nothing_or_is_not_believed(whisper: Whisper) -> None:
    heard = whisper.transcribe(np.zeros(2 * RATE_HZ, np.float32), "en")
    assert doubtful(heard, speech=0.1, length_s=2.0) is not None


def test_tokens_and_text_are_each_others() -> None:
    vocabulary = BytePairs(model("whisper-base-int8").path("tokenizer"))
    for text in ("以下是普通话的句子", " hello", "é"):
        assert vocabulary.decode(vocabulary.encode_word(text)) == text
    assert vocabulary.encode_word(" hello") == [7751]


def test_a_language_that_is_asked_for_must_be_known() -> None:
    task = WhisperTask(model("whisper-base-int8"))
    bad, good = task.run(
        [
            Request({"language": "tlh"}, to_wav(recording("en_quick_brown_fox"))),
            Request({"language": "EN_us"}, to_wav(recording("en_quick_brown_fox"))),
        ]
    )
    assert isinstance(bad, TaskError) and bad.code == "bad_option"
    assert word_error_rate("the quick brown fox jumps over the lazy dog", good.values["text"]) < 0.12
