"""Live captions of one speaker, as the meeting will ask for them."""

from typing import Any

import numpy as np
import pytest

from appliance.ai.measures import word_error_rate
from appliance.ai.sound import RATE_HZ, Samples, to_wav
from appliance.ai.speech.captions import Caption, transcript_values
from appliance.ai.speech.moonshine import MoonshineTask
from appliance.inference.task import Request, Result, TaskError
from tests.support.ai_models import model, recording
from tests.support.ai_sounds import noise, opus_packets

pytestmark = pytest.mark.slow

BEST_OF_TIMES = (
    "It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness"
)


@pytest.fixture(scope="module")
def task() -> MoonshineTask:
    return MoonshineTask(model("moonshine-tiny-en"))


def live(task: MoonshineTask, samples: Samples, session: str, start_ms: int = 0) -> list[dict[str, Any]]:
    """Opus in pieces of 200 ms; each caption also says up to where had been sent."""
    packets = opus_packets(samples)
    captions = []
    for at in range(0, len(packets), 10):
        some = packets[at : at + 10]
        asked = {"session": session, "at_ms": start_ms + at * 20, "packets": [len(packet) for packet in some]}
        (answer,) = task.run([Request(asked, b"".join(some))])
        assert isinstance(answer, Result), answer
        captions += [{**caption, "sent_ms": start_ms + (at + 10) * 20} for caption in answer.values["captions"]]
    (answer,) = task.run([Request({"session": session, "last": True}, b"")])
    assert isinstance(answer, Result), answer
    assert answer.values["speaking"] is False
    assert answer.values["heard_ms"] == pytest.approx(start_ms + len(samples) / 16, abs=60)
    return captions + [{**caption, "sent_ms": start_ms + len(packets) * 20} for caption in answer.values["captions"]]


def test_partial_results_come_while_somebody_speaks_and_the_final_one_after_the_pause(task: MoonshineTask) -> None:
    speech = np.concatenate([recording("two_cities")[: int(8.3 * RATE_HZ)], np.zeros(RATE_HZ, np.float32)])
    captions = live(task, speech, "a", start_ms=60_000)
    partials = [caption for caption in captions if caption["kind"] == "partial"]
    (final,) = [caption for caption in captions if caption["kind"] == "final"]
    assert 4 <= len(partials) <= 10
    # Speech begins at 1.0 s: the first words are seen a second later.
    assert partials[0]["sent_ms"] - final["start_ms"] < 1300
    assert word_error_rate(BEST_OF_TIMES, final["text"]) < 0.12
    assert 60_800 < final["start_ms"] < 61_300
    assert 68_000 < final["end_ms"] < 68_700
    assert final["sent_ms"] - final["end_ms"] < 700
    assert {caption["phrase"] for caption in captions} == {0}
    lengths = [len(caption["text"]) for caption in partials]
    assert lengths == sorted(lengths)


def test_two_speakers_do_not_disturb_each_other_and_a_closed_one_is_forgotten(task: MoonshineTask) -> None:
    fox, counting = recording("en_quick_brown_fox"), recording("en_counting")
    piece = RATE_HZ // 2
    texts = {"fox": "", "counting": ""}
    for at in range(0, max(len(fox), len(counting)), piece):
        asked = [
            Request(
                {"session": name, "format": "pcm_f32", "sample_rate": RATE_HZ, "at_ms": at / 16, "partials": False},
                samples[at : at + piece].astype("<f4").tobytes() or bytes(4),
            )
            for name, samples in (("fox", fox), ("counting", counting))
        ]
        for request, answer in zip(asked, task.run(asked), strict=True):
            assert isinstance(answer, Result), answer
            texts[request.options["session"]] += " ".join(c["text"] for c in answer.values["captions"])
    ends = task.run([Request({"session": name, "last": True}, b"") for name in texts])
    for name, answer in zip(texts, ends, strict=True):
        texts[name] += " ".join(c["text"] for c in answer.values["captions"])
    assert word_error_rate("the quick brown fox jumps over the lazy dog", texts["fox"]) < 0.2
    assert "five" in texts["counting"].lower() or "5" in texts["counting"]
    task.close("fox")


def test_a_long_pause_moves_the_clock_and_noise_says_nothing(task: MoonshineTask) -> None:
    fox = recording("en_quick_brown_fox")
    packets = opus_packets(fox)
    captions: list[dict[str, Any]] = []
    for start_ms in (0, 3_600_000):
        asked = {"session": "pause", "at_ms": start_ms, "packets": [len(p) for p in packets], "partials": False}
        (answer,) = task.run([Request(asked, b"".join(packets))])
        captions += answer.values["captions"]
    captions += task.run([Request({"session": "pause", "last": True}, b"")])[0].values["captions"]
    first, second = captions
    assert first["end_ms"] < 4000
    assert 3_600_000 <= second["start_ms"] + 200 < 3_601_000
    assert first["text"] == second["text"]
    assert live(task, noise(4, 0.02), "noise") == []


def test_a_whole_recording_and_a_phrase_without_vad(task: MoonshineTask) -> None:
    wav = to_wav(recording("en_quick_brown_fox"))
    whole, phrase = task.run([Request({"language": "en-GB"}, wav), Request({"vad": False}, wav)])
    for answer in (whole, phrase):
        assert isinstance(answer, Result), answer
        assert answer.values["language"] == "en"
        assert answer.values["duration_ms"] == pytest.approx(2889, abs=5)
        assert answer.values["text"] == answer.values["segments"][0]["text"]
    silence = task.run([Request({}, to_wav(np.zeros(RATE_HZ, np.float32)))])[0]
    assert silence.values == {"text": "", "language": "", "segments": [], "duration_ms": 1000}


def test_what_cannot_be_answered_says_why(task: MoonshineTask) -> None:
    wav = to_wav(recording("en_quick_brown_fox"))
    long = to_wav(np.zeros(20 * RATE_HZ, np.float32))
    asked = [
        (Request({"language": "zh"}, wav), "bad_option"),
        (Request({"language": 7}, wav), "bad_option"),
        (Request({}, b""), "bad_audio"),
        (Request({"vad": False}, long), "audio_too_long"),
        (Request({"format": "pcm", "sample_rate": 8000}, bytes(16_000 * 601)), "audio_too_long"),
        (Request({"session": "bad", "format": "mp3"}, b"x"), "bad_option"),
        (Request({"session": "bad"}, b"x"), "bad_option"),
        (Request({"session": "bad", "packets": [1]}, b""), "bad_audio"),
    ]
    for (_, code), answer in zip(asked, task.run([request for request, _ in asked]), strict=True):
        assert isinstance(answer, TaskError)
        assert answer.code == code, answer.message
    task.close("bad")


def test_the_transcript_leaves_out_what_was_withdrawn() -> None:
    captions = [
        Caption("final", 0, 0.5, 2.0, "你好。", "zh", 0.91234),
        Caption("withdrawn", 1, 3.0, 3.4, "", "en", 0.0),
        Caption("final", 2, 4.0, 4.5, "Hello.", "en", 0.8),
    ]
    values = transcript_values(captions, 5.0)
    assert (values["text"], values["language"], values["duration_ms"]) == ("你好。 Hello.", "zh", 5000)
    assert values["segments"][0] == {
        "start_ms": 500, "end_ms": 2000, "text": "你好。", "language": "zh", "confidence": 0.912,
    }  # fmt: skip
