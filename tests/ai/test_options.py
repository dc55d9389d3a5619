"""Options of requests come from strangers."""

import pytest

from appliance.ai.options import (
    at_ms_option,
    choice_option,
    flag_option,
    number_option,
    raw_format,
    request_audio,
    text_option,
)
from appliance.ai.sound import RawFormat
from appliance.inference.task import Request, TaskError
from tests.support.ai_sounds import to_wav, tone


@pytest.mark.parametrize("value", [True, "3", None, float("nan"), float("inf"), -1, 11, [], {}])
def test_a_number_is_a_number_within_bounds(value: object) -> None:
    with pytest.raises(TaskError) as caught:
        number_option({"x": value}, "x", 5, 0, 10)
    assert caught.value.code == "bad_option"
    assert caught.value.message.startswith("x: ")


def test_what_is_not_said_is_the_default() -> None:
    assert number_option({}, "x", 5, 0, 10) == 5
    assert text_option({}, "x", "a") == "a"
    assert choice_option({}, "x", ("a", "b"), "b") == "b"
    assert flag_option({}, "x", True) is True
    assert at_ms_option({}) is None
    assert raw_format({}) == RawFormat(48_000, 1)


def test_wrong_types_are_named() -> None:
    for wrong in (
        lambda: text_option({"x": 1}, "x", ""),
        lambda: text_option({"x": "a" * 201}, "x", ""),
        lambda: choice_option({"x": "c"}, "x", ("a", "b"), "a"),
        lambda: flag_option({"x": 1}, "x", True),
        lambda: at_ms_option({"at_ms": -1}),
        lambda: raw_format({"sample_rate": 8000.5}),
    ):
        with pytest.raises(TaskError) as caught:
            wrong()
        assert caught.value.code == "bad_option"


def test_a_whole_sound_is_wav_unless_it_says_so() -> None:
    wav = to_wav(tone(0.1))
    assert len(request_audio(Request({}, wav), 60)) == 1600
    assert len(request_audio(Request({"format": "pcm", "sample_rate": 16000}, wav[44:]), 60)) == 1600
