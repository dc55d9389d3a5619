"""The detector of synthetic voices around a stand-in of a network: no package carries the weights of a real one.

The stand-in is a real graph that says back what it hears: with a window of two samples these are the two logits, so a
sound of alternating samples has the logits that the test wants.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import onnxruntime
import pytest

from appliance.ai.sound import RATE_HZ, Samples
from appliance.ai.speech.synthetic_voice import SyntheticVoiceTask, windows
from appliance.inference.task import LoadedModel, Request, Result, TaskError
from tests.support.ai_models import model
from tests.support.inference_world import entry_text, models_folder
from tests.support.onnx_file import identity_graph


def task(tmp_path: Path, columns: int = 2, **options: Any) -> SyntheticVoiceTask:
    entry = models_folder(tmp_path, (entry_text("stand-in", "Echo", task="synthetic_voice"),)).entry("stand-in")
    entry = msgspec.structs.replace(entry, options={"window": columns, **options})
    session = onnxruntime.InferenceSession(identity_graph(columns=columns), providers=["CPUExecutionProvider"])
    return SyntheticVoiceTask(LoadedModel(entry, tmp_path, {"model": session}))


def saying(spoofed: float, genuine: float) -> Samples:
    """A second whose windows have these logits."""
    return np.tile(np.array([spoofed, genuine], np.float32), RATE_HZ // 2)


def asked(one: SyntheticVoiceTask, samples: Samples) -> Any:
    (answer,) = one.run([Request({"format": "pcm_f32", "sample_rate": RATE_HZ}, samples.astype("<f4").tobytes())])
    return answer.values if isinstance(answer, Result) else answer


def test_a_verdict_is_given_outside_the_band_alone(tmp_path: Path) -> None:
    one = task(tmp_path)
    for logits, verdict in (((0.9, -0.9), "unsure"), ((3.0, -3.0), "synthetic"), ((-1.0, 1.0), "real")):
        found = asked(one, saying(*logits))
        wanted = 1 / (1 + np.exp(logits[1] - logits[0]))
        assert (found["verdict"], found["duration_ms"]) == (verdict, 1000)
        assert found["probability"] == pytest.approx(wanted, abs=0.001)
    assert asked(task(tmp_path, genuine=0), saying(3.0, -3.0))["verdict"] == "real"
    assert asked(task(tmp_path, synthetic_from=0.8), saying(0.9, -0.9))["verdict"] == "synthetic"


def test_silence_is_neither_and_too_little_is_refused(tmp_path: Path) -> None:
    assert asked(task(tmp_path), np.zeros(RATE_HZ, np.float32))["verdict"] == "unsure"
    little = asked(task(tmp_path), saying(1, 0)[: RATE_HZ // 4])
    assert isinstance(little, TaskError) and little.code == "bad_audio"


def test_windows_cover_the_sound() -> None:
    samples = np.arange(10, dtype=np.float32)
    assert [list(window) for window in windows(samples, 4)] == [[0, 1, 2, 3], [4, 5, 6, 7], [6, 7, 8, 9]]
    assert [list(window) for window in windows(samples[:8], 4)] == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [list(window) for window in windows(samples[:3], 4)] == [[0, 1, 2, 0]]


def test_what_does_not_fit_is_not_loaded(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="genuine: 7"):
        task(tmp_path, genuine=7)
    with pytest.raises(ValueError, match="windows of samples"):
        SyntheticVoiceTask(LoadedModel(model("emotion").entry, tmp_path, dict(model("emotion").sessions)))
    with pytest.raises(ValueError, match="not two logits"):
        asked(task(tmp_path, columns=4), saying(1, 0))
