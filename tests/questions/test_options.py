"""What may be said with a question, and what a sound is by its first bytes."""

from __future__ import annotations

from typing import Any, get_args

import msgspec
import pytest

from appliance.ai import pictures, sound
from appliance.questions.options import (
    OPTIONS,
    AsrOptions,
    AudioFormat,
    Function,
    PictureFormat,
    audio_format_of,
    is_picture,
)
from tests.support.ai_sounds import encoded, tone


def test_the_worker_knows_the_same_formats() -> None:
    assert set(get_args(AudioFormat)) == set(sound.FORMATS)
    assert get_args(PictureFormat) == pictures.FORMATS


def test_everything_has_a_default_and_unknown_names_are_refused() -> None:
    assert set(OPTIONS) == set(get_args(Function))
    for options in OPTIONS.values():
        assert options() == msgspec.convert({}, options)
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert({"surprise": 1}, options)


@pytest.mark.parametrize("language", ["en", "zh-CN", "zh_Hans_CN", "auto", "pt-BR", "yue"])
def test_languages(language: str) -> None:
    assert msgspec.convert({"language": language}, AsrOptions).language == language


@pytest.mark.parametrize(
    "wrong",
    [{"language": "e"}, {"language": "en-"}, {"language": "en\nzh"}, {"language": None}, {"sample_rate": 3999},
     {"sample_rate": 48_000.5}, {"channels": 0}, {"format": "flac"}, {"model": ""}],
)  # fmt: skip
def test_what_is_out_of_bounds(wrong: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, AsrOptions)


def test_formats_are_told_by_the_first_bytes() -> None:
    codecs: dict[AudioFormat, str] = {"wav": "pcm_s16le", "webm": "libopus", "ogg": "libopus"}
    for found, codec in {**codecs, "mp3": "libmp3lame", "mp4": "aac"}.items():
        assert audio_format_of(encoded(tone(0.2), found, codec)) == found
    assert audio_format_of(b"\xff\xfb\x90\x00") == "mp3"
    for other in (b"", b"\xff", b"\xff\xd8\xff\xe0", bytes(10), b"fLaC"):
        assert audio_format_of(other) is None
    assert is_picture(b"\xff\xd8\xff\xe0") and is_picture(b"RIFF\0\0\0\0WEBP")
    assert not is_picture(b"RIFF\0\0\0\0WAVE") and not is_picture(b"")
