"""Guards against what a recogniser only thinks it heard."""

import pytest

from appliance.ai.speech.transcript import Transcript, doubtful, repeats, without_repetition


def heard(text: str, confidence: float = 0.9) -> Transcript:
    return Transcript(text, "en", confidence)


def test_four_times_in_a_row_is_a_loop_and_three_times_is_speech() -> None:
    assert repeats([1, 7, 7, 7, 7])
    assert repeats([5, 1, 2, 3, 1, 2, 3, 1, 2, 3, 1, 2, 3])
    assert not repeats([7, 7, 7])
    assert not repeats([1, 2, 1, 2, 1, 2])
    assert not repeats(list(range(100)))
    assert not repeats([])


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("no, no, no, that is wrong", "no, no, no, that is wrong"),
        ("and so on and so on and so on and so on and so on and", "and so on"),
        ("I think you you you you you you", "I think you"),
        ("你好你好你好你好你好你", "你好"),
        ("我们今天讨论预算", "我们今天讨论预算"),
        ("", ""),
        (
            "it was the best of times, it was the worst of times, it was the age of wisdom, it was the age of",
            "it was the best of times, it was the worst of times, it was the age of wisdom, it was the age of",
        ),
    ],
)
def test_what_is_repeated_is_said_once(text: str, kept: str) -> None:
    assert without_repetition(text) == kept


@pytest.mark.parametrize(
    ("transcript", "speech", "length_s", "why"),
    [
        (heard("We meet on Monday."), 0.9, 1.5, None),
        (heard("Thank you."), 0.95, 0.8, None),
        (heard("Thank you.", 0.4), 0.95, 0.8, "phantom"),
        (heard("Thank you."), 0.3, 0.8, "phantom"),
        (heard("We meet on Monday.", 0.1), 0.9, 1.5, "confidence"),
        (heard("We meet on Monday.", 0.5), 0.3, 1.5, "no_speech"),
        (heard("..."), 0.9, 1.0, "empty"),
        (heard("a text of sixty characters that nobody can say in one second"), 0.9, 1.0, "too_fast"),
        (heard("今天天气很好我们去公园散步吧大家一起来"), 0.9, 1.0, "too_fast"),
        (heard("今天天气很好"), 0.9, 1.0, None),
    ],
)
def test_what_nobody_said_is_not_shown(transcript: Transcript, speech: float, length_s: float, why: str | None) -> None:
    assert doubtful(transcript, speech, length_s) == why
