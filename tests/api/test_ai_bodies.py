"""Questions as JSON say what the options of each task say, and hold the sound or picture."""

from __future__ import annotations

from typing import get_args

import msgspec
import pytest

from appliance.api.ai_bodies import AsrBody, BatchBody, DenoiseBody, EmotionBody, EnhanceBody, SynthesisBody
from appliance.questions.options import OPTIONS, Function

BODIES: dict[Function, type[msgspec.Struct]] = {
    "asr": AsrBody, "emotion": EmotionBody, "synthesis": SynthesisBody, "denoise": DenoiseBody, "enhance": EnhanceBody,
}  # fmt: skip


@pytest.mark.parametrize("function", get_args(Function))
def test_a_body_is_the_options_and_what_it_is_about(function: Function) -> None:
    body, options = BODIES[function], OPTIONS[function]
    assert issubclass(body, options)
    more = set(body.__struct_fields__) - set(options.__struct_fields__)
    assert more and more <= {"audio", "image"}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"surprise": 1}, body)


def test_base64_is_strict_and_batches_are_bounded() -> None:
    assert msgspec.json.decode(b'{"audio": "aGk="}', type=AsrBody).audio == b"hi"
    for bad in (b'{"audio": "aGk"}', b'{"audio": "a k="}', b'{"audio": 7}'):
        with pytest.raises(msgspec.ValidationError):
            msgspec.json.decode(bad, type=AsrBody)
    one = {"task": "asr", "audio": ""}
    assert len(msgspec.convert({"requests": [one] * 16}, BatchBody).requests) == 16
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"requests": [one] * 17}, BatchBody)
