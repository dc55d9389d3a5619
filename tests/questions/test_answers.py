"""Answers travel as JSON: bytes as base64, and nothing that a model may say is taken unseen."""

from __future__ import annotations

import base64

import msgspec
import pytest

from appliance.questions.answers import CheckedPicture, DenoiseAnswer, ExpressiveFace


def test_bytes_are_base64() -> None:
    shared = {"task_id": "ait_x", "model": "dtln", "latency_ms": 1.5}
    answer = DenoiseAnswer(**shared, sample_rate=16_000, duration_ms=1, audio=b"hi")
    read = msgspec.json.decode(msgspec.json.encode(answer))
    assert base64.b64decode(read["audio"]) == b"hi"
    assert (read["task_id"], read["model"], read["latency_ms"], read["format"]) == ("ait_x", "dtln", 1.5, "wav")


def test_rubbish_is_none() -> None:
    for values, shape in (
        ({"verdict": "perhaps", "probability": 0.5}, CheckedPicture),
        ({"verdict": "real"}, CheckedPicture),
        ({"box": [1, 2, 3], "score": 1, "emotion": "sad", "confidence": 1, "scores": {}}, ExpressiveFace),
    ):
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(values, shape)
