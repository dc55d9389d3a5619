"""A stream cut into phrases: the rules on probabilities that are known, and the whole on speech."""

import numpy as np
import pytest

from appliance.ai.sound import RATE_HZ, Samples, to_wav
from appliance.ai.speech.phrases import PhraseRules, Phrases, VadTask
from appliance.ai.speech.vad import FRAME, FRAME_S, VoiceActivity
from appliance.inference.task import Request, Result, TaskError
from tests.support.ai_models import model, recording

RULES = PhraseRules()


class Told(VoiceActivity):
    """Probabilities are the samples themselves: the first of each frame."""

    def __init__(self) -> None:
        self._left = np.zeros(0, np.float32)

    def feed(self, samples: Samples) -> list[float]:
        self._left = np.concatenate([self._left, samples])
        whole = len(self._left) // FRAME * FRAME
        frames, self._left = self._left[:whole].reshape(-1, FRAME), self._left[whole:]
        return [float(frame[0]) for frame in frames]


def stream(*parts: tuple[float, float]) -> Samples:
    """(probability, seconds) one after the other, in whole frames."""
    return np.concatenate([np.full(round(s / FRAME_S) * FRAME, p, np.float32) for p, s in parts])


def phrases_of(samples: Samples, rules: PhraseRules = RULES, piece: int = 1000) -> list[tuple[float, float]]:
    cut = Phrases(Told(), rules)
    found = [p for at in range(0, len(samples), piece) for p in cut.feed(samples[at : at + piece])]
    found += cut.finish()
    for phrase in found:
        assert len(phrase.samples) == pytest.approx((phrase.end_s - phrase.start_s) * RATE_HZ, abs=FRAME)
    return [(round(p.start_s, 2), round(p.end_s, 2)) for p in found]


def test_a_pause_ends_a_phrase_and_both_ends_are_taken_along() -> None:
    ((start, end),) = phrases_of(stream((0, 1.6), (0.9, 1.6), (0, 1.6)))
    assert start == pytest.approx(1.6 - RULES.before_s, abs=0.01)
    assert end == pytest.approx(3.2 + RULES.after_s, abs=0.01)


def test_a_short_pause_does_not() -> None:
    assert len(phrases_of(stream((0, 1), (0.9, 1), (0, 0.3), (0.9, 1), (0, 1)))) == 1
    assert len(phrases_of(stream((0, 1), (0.9, 1), (0, 0.6), (0.9, 1), (0, 1)))) == 2


def test_a_breath_is_no_phrase() -> None:
    assert phrases_of(stream((0, 1), (0.9, 0.3), (0, 1))) == []
    assert phrases_of(stream((0, 1), (0.9, 0.3))) == []
    assert len(phrases_of(stream((0, 1), (0.9, 0.5), (0, 1)))) == 1


def test_what_is_between_the_thresholds_goes_on_and_does_not_begin() -> None:
    assert phrases_of(stream((0.4, 2))) == []
    assert len(phrases_of(stream((0, 1), (0.9, 0.6), (0.4, 2), (0.9, 0.6), (0, 1)))) == 1


def test_the_end_of_the_stream_ends_a_phrase() -> None:
    ((start, end),) = phrases_of(stream((0.9, 2)))
    assert (start, end) == (0.0, pytest.approx(2.0, abs=0.05))


def test_a_phrase_that_is_too_long_is_cut_at_its_quietest_place() -> None:
    rules = PhraseRules(max_s=5.0, cut_window_s=2.0)
    found = phrases_of(stream((0.9, 4), (0.6, 0.1), (0.9, 3), (0, 1)), rules)
    assert len(found) == 2
    assert found[0][1] == found[1][0] == pytest.approx(4.05, abs=0.06)
    endless = phrases_of(stream((0.9, 30)), rules)
    assert len(endless) >= 6
    assert all(end - start <= 5.1 for start, end in endless)
    assert sum(end - start for start, end in endless) == pytest.approx(30, abs=0.1)


def test_what_goes_on_can_be_looked_at() -> None:
    cut = Phrases(Told())
    cut.feed(stream((0, 1), (0.9, 0.2)))
    assert cut.speaking
    assert cut.open() is None
    cut.feed(stream((0.9, 0.6)))
    phrase = cut.open()
    assert phrase is not None
    assert phrase.end_s == pytest.approx(1.8, abs=0.05)
    assert phrase.speech == pytest.approx(0.9)


def test_what_was_skipped_moves_the_clock_on() -> None:
    cut = Phrases(Told())
    cut.feed(stream((0, 1)))
    cut.skip(100.0)
    (phrase,) = cut.feed(stream((0, 1), (0.9, 1), (0, 1)))
    assert phrase.start_s == pytest.approx(102 - RULES.before_s, abs=0.05)


def test_an_hour_of_silence_is_forgotten() -> None:
    cut = Phrases(Told())
    for _ in range(36):
        cut.feed(np.zeros(100 * RATE_HZ, np.float32))
    assert len(cut._samples) < RATE_HZ


@pytest.mark.slow
def test_the_task_finds_the_phrases_of_a_recording() -> None:
    task = VadTask(model("silero-vad"))
    silence = np.zeros(RATE_HZ, np.float32)
    samples = np.concatenate([silence, recording("en_quick_brown_fox"), silence])
    good, bad, worse = task.run(
        [Request({}, to_wav(samples)), Request({}, b"RIFF"), Request({"threshold": 2}, to_wav(samples))]
    )
    assert isinstance(good, Result)
    (segment,) = good.values["segments"]
    assert 800 < segment["start_ms"] < 1300
    assert 3300 < segment["end_ms"] < 4200
    assert good.values["speech_ms"] == segment["end_ms"] - segment["start_ms"]
    assert isinstance(bad, TaskError) and bad.code == "bad_audio"
    assert isinstance(worse, TaskError) and worse.code == "bad_option"
