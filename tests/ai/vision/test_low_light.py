"""Dark pictures become brighter; by how much is in test_bench."""

import numpy as np
import pytest

from appliance.ai.measures import psnr_db
from appliance.ai.pictures import decode_picture_untrusted, encode_picture
from appliance.ai.vision.low_light import DARK_BELOW, LowLightTask, brightened, brightness
from appliance.inference.task import Request, Result, TaskError
from tests.support.ai_models import data_file, model


@pytest.fixture(scope="module")
def dark() -> np.ndarray:
    return (decode_picture_untrusted(data_file("astronaut").read_bytes()) * 0.2).astype(np.uint8)


def test_a_dark_picture_becomes_brighter_and_keeps_its_shape(dark: np.ndarray) -> None:
    bright = brightened(model("zero-dce").sessions["model"], dark)
    assert bright.shape == dark.shape
    assert brightness(bright) > 2 * brightness(dark)
    true = decode_picture_untrusted(data_file("astronaut").read_bytes())
    assert psnr_db(true, bright) > psnr_db(true, dark) + 4


def test_more_steps_are_brighter(dark: np.ndarray) -> None:
    session = model("zero-dce").sessions["model"]
    levels = [brightness(brightened(session, dark, steps)) for steps in (1, 3, 5, 8)]
    assert levels == sorted(levels)


def test_a_light_picture_is_left_alone_unless_asked(dark: np.ndarray) -> None:
    task = LowLightTask(model("zero-dce"))
    light = data_file("astronaut").read_bytes()
    as_it_was, changed, dim = task.run(
        [
            Request({}, light),
            Request({"only_dark": False, "output": "jpeg"}, light),
            Request({}, encode_picture(dark, "webp")),
        ]
    )
    assert isinstance(as_it_was, Result) and isinstance(changed, Result) and isinstance(dim, Result)
    assert as_it_was.values["changed"] is False
    assert as_it_was.values["brightness_before"] >= DARK_BELOW
    assert as_it_was.payload.startswith(b"\x89PNG")
    assert changed.values["brightness_after"] > changed.values["brightness_before"]
    assert changed.payload.startswith(b"\xff\xd8\xff")
    assert dim.values["changed"] is True
    assert dim.payload[8:12] == b"WEBP"


@pytest.mark.parametrize("options", [{"steps": 0}, {"steps": 9}, {"only_dark": "yes"}, {"output": "gif"}])
def test_options_are_bounded(options: dict[str, object]) -> None:
    (answer,) = LowLightTask(model("zero-dce")).run([Request(options, data_file("astronaut").read_bytes())])
    assert isinstance(answer, TaskError)
    assert answer.code == "bad_option"
