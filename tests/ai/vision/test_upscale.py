"""Twice the pixels; how close to the original is in test_bench."""

import numpy as np
import pytest

from appliance.ai.measures import psnr_db
from appliance.ai.pictures import decode_picture_untrusted, scaled
from appliance.ai.vision.upscale import UpscaleTask, doubled
from appliance.inference.task import Request, Result, TaskError
from tests.support.ai_models import data_file, model
from tests.support.ai_sounds import picture


@pytest.fixture(scope="module")
def small() -> np.ndarray:
    return scaled(decode_picture_untrusted(data_file("astronaut").read_bytes()), 150, 110)


@pytest.mark.slow
def test_tiles_show_no_seam(small: np.ndarray) -> None:
    session = model("esrgan-slim-x2").sessions["model"]
    whole, tiled = doubled(session, small), doubled(session, small, tile=48)
    assert whole.shape == (220, 300, 3)
    assert np.abs(whole.astype(int) - tiled).max() <= 1
    assert psnr_db(scaled(whole, 150, 110), small) > 30


@pytest.mark.slow
def test_the_task_gives_the_picture_in_its_format(small: np.ndarray) -> None:
    (answer,) = UpscaleTask(model("esrgan-slim-x2")).run([Request({}, picture(small, "JPEG"))])
    assert isinstance(answer, Result)
    assert answer.values == {"width": 300, "height": 220}
    assert decode_picture_untrusted(answer.payload).shape == (220, 300, 3)
    assert answer.payload.startswith(b"\xff\xd8\xff")


def test_a_picture_that_is_large_already_is_refused() -> None:
    large = picture(np.zeros((1500, 1500, 3), np.uint8))
    (answer,) = UpscaleTask(model("esrgan-slim-x2")).run([Request({}, large)])
    assert isinstance(answer, TaskError)
    assert (answer.code, answer.message) == ("picture_too_large", "1500×1500 pixels, more than 2.1 million")
