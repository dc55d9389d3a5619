"""Generated pictures: the band, the crop, and that one picture does not change another's score."""

import json
from pathlib import Path

import numpy as np
import pytest

from appliance.ai.pictures import encode_picture
from appliance.ai.vision.generated import GeneratedTask, crop, verdict
from appliance.inference.task import LoadedModel, Request, Result, TaskError
from tests.support.ai_models import data_file, model


@pytest.mark.parametrize(
    ("probability", "side", "said"),
    [(0.95, 512, "generated"), (0.89, 512, "unsure"), (0.4, 512, "unsure"), (0.3, 512, "real"), (0.99, 100, "unsure")],
)
def test_in_between_nothing_is_said(probability: float, side: int, said: str) -> None:
    assert verdict(probability, side) == said


def test_the_crop_is_the_middle() -> None:
    wide = np.zeros((300, 900, 3), np.uint8)
    wide[:, 300:600] = 255
    middle = crop(wide)
    assert middle.shape == (3, 224, 224)
    assert middle[:, :, 20:200].min() > 1.5
    assert crop(np.zeros((900, 301, 3), np.uint8)).shape == (3, 224, 224)


@pytest.mark.slow
def test_a_picture_has_the_same_score_in_any_batch() -> None:
    task = GeneratedTask(model("clip-generated"))
    astronaut, coffee = data_file("astronaut").read_bytes(), data_file("coffee").read_bytes()
    first, bad, second = task.run([Request({}, astronaut), Request({}, b"no"), Request({}, coffee)])
    (alone,) = task.run([Request({}, coffee)])
    assert isinstance(bad, TaskError)
    assert isinstance(first, Result) and isinstance(second, Result)
    assert second.values == alone.values
    assert first.values["probability"] != second.values["probability"]
    assert (first.values["verdict"], first.payload) == ("unsure", b"")


@pytest.mark.slow
def test_small_pictures_are_not_judged() -> None:
    noise = np.random.default_rng(0).integers(0, 255, (100, 100, 3), dtype=np.uint8)
    (answer,) = GeneratedTask(model("clip-generated")).run([Request({}, encode_picture(noise, "png"))])
    assert answer.values["verdict"] == "unsure"


@pytest.mark.parametrize("head", [3, {"weights": [1.0], "bias": 0}, {"weights": ["x"] * 512, "bias": 0}])
def test_a_head_that_does_not_fit_is_refused(tmp_path: Path, head: object) -> None:
    real = model("clip-generated")
    (tmp_path / "clip_head.json").write_text(json.dumps(head))
    with pytest.raises(ValueError, match="head"):
        GeneratedTask(LoadedModel(real.entry, tmp_path, real.sessions))
