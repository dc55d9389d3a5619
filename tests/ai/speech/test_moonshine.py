"""Moonshine on real speech; its error rate is in test_bench."""

from pathlib import Path

import numpy as np
import pytest

from appliance.ai.measures import word_error_rate
from appliance.ai.sound import RATE_HZ
from appliance.ai.speech.moonshine import Moonshine, MoonshineTask, read_tokens
from tests.support.ai_models import model, recording, without
from tests.support.ai_sounds import noise

pytestmark = pytest.mark.slow


def test_a_sentence_is_recognised_with_confidence() -> None:
    heard = Moonshine(model("moonshine-tiny-en")).transcribe(recording("en_quick_brown_fox"), None)
    assert word_error_rate("the quick brown fox jumps over the lazy dog", heard.text) < 0.12
    assert (heard.language, heard.confidence > 0.6) == ("en", True)


def test_noise_does_not_make_it_talk_for_long() -> None:
    heard = Moonshine(model("moonshine-tiny-en")).transcribe(noise(3), "en")
    assert len(heard.text.split()) <= 6


def test_too_little_for_the_encoder_is_nothing() -> None:
    recogniser = Moonshine(model("moonshine-tiny-en"))
    assert recogniser.transcribe(np.zeros(100, np.float32), "en").text == ""
    recogniser.transcribe(noise(0.16), "en")


def test_a_vocabulary_with_short_long_and_empty_tokens(tmp_path: Path) -> None:
    long = b"x" * 300
    path = tmp_path / "tokenizer.bin"
    path.write_bytes(b"\x02ab" + b"\x00" + bytes([300 % 128 + 128, 300 // 128]) + long)
    assert read_tokens(path) == [b"ab", b"", long]
    for broken in (b"\x05ab", b"\x80"):
        path.write_bytes(broken)
        with pytest.raises(ValueError, match="cut off"):
            read_tokens(path)


def test_a_model_without_a_part_is_refused() -> None:
    for role in ("encoder", "decoder", "vad"):
        with pytest.raises(ValueError, match=role):
            MoonshineTask(without(model("moonshine-tiny-en"), role))


def test_warming_up_is_a_request_that_succeeds() -> None:
    task = MoonshineTask(model("moonshine-tiny-en"))
    (answer,) = task.run([task.warm_up()])
    assert answer.values["duration_ms"] == 1000
    assert len(task.warm_up().payload) == 4 * RATE_HZ
