"""A long sound gives way to live speakers, is the same text in the end, and is bounded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from appliance.ai.sound import RATE_HZ, to_wav
from appliance.ai.speech.long_sound import MAX_HELD_S, PART_S
from appliance.ai.speech.moonshine import MoonshineTask
from appliance.inference.task import Request, Result, TaskError
from tests.support.ai_models import model, recording

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def task() -> MoonshineTask:
    return MoonshineTask(model("moonshine-tiny-en"))


def ask(task: MoonshineTask, options: dict[str, Any], payload: bytes = b"") -> Any:
    (answer,) = task.run([Request({"whole": True, **options}, payload)])
    return answer.values if isinstance(answer, Result) else answer


def test_parts_make_the_same_transcript_as_one_request(task: MoonshineTask) -> None:
    wav = to_wav(recording("two_cities"))
    (once,) = task.run([Request({}, wav)])
    assert isinstance(once, Result)
    parts = [ask(task, {"session": "long"}, wav)]
    while not parts[-1]["done"]:
        parts.append(ask(task, {"session": "long"}))
        # another speaker has his turn in between
        assert isinstance(task.run([Request({"session": "live", "last": True}, b"")])[0], Result)
    assert len(parts) == -(-len(recording("two_cities")) // int(PART_S * RATE_HZ))
    assert [part["at_ms"] for part in parts[:-1]] == [round((n + 1) * PART_S * 1000) for n in range(len(parts) - 1)]
    assert {name: parts[-1][name] for name in once.values} == once.values
    told = [segment for part in parts[:-1] for segment in part["segments"]]
    assert told == once.values["segments"][: len(told)] and len(told) >= 3


def test_a_worker_that_lost_the_sound_says_so(task: MoonshineTask) -> None:
    assert ask(task, {"session": "nobody"}).code == "session_lost"
    first = ask(task, {"session": "closed"}, to_wav(recording("two_cities")))
    assert not first["done"]
    task.close("closed")
    assert ask(task, {"session": "closed"}).code == "session_lost"


def test_what_waits_is_bounded(task: MoonshineTask) -> None:
    hour = {"format": "pcm", "sample_rate": 4000}
    silence = bytes(2 * 4000 * 3599)
    for name in ("first", "second"):
        assert not ask(task, {"session": name, **hour}, silence)["done"]
    refused = ask(task, {"session": "third", **hour}, silence)
    assert isinstance(refused, TaskError) and refused.code == "overloaded" and f"{MAX_HELD_S:.0f}" in refused.message
    task.close("first")
    assert not ask(task, {"session": "third", **hour}, silence)["done"]
    for name in ("second", "third"):
        task.close(name)


def test_bad_sound_leaves_nothing_behind(task: MoonshineTask) -> None:
    asked: list[tuple[dict[str, Any], bytes, str]] = [
        ({}, b"RIFF", "bad_audio"),
        ({"max_s": 2.0}, to_wav(np.zeros(3 * RATE_HZ, np.float32)), "audio_too_long"),
        ({"max_s": 7200.0}, b"x", "bad_option"),
        ({"language": "xx"}, b"x", "bad_option"),
    ]
    for options, payload, code in asked:
        assert ask(task, {"session": "bad", **options}, payload).code == code
        assert ask(task, {"session": "bad"}).code == "session_lost"
