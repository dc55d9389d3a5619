"""Faces in photographs; how many are found is in test_bench."""

import numpy as np
import pytest

from appliance.ai.pictures import decode_picture_untrusted, scaled
from appliance.ai.vision.faces import FaceDetector, FaceTask, face_crop, overlap
from appliance.inference.task import Request, Result, TaskError
from tests.support.ai_models import data_file, model
from tests.support.ai_sounds import picture


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return decode_picture_untrusted(data_file("astronaut").read_bytes())


def test_the_face_is_where_it_is(astronaut: np.ndarray) -> None:
    (face,) = FaceDetector(model("blazeface")).find(astronaut)
    # Known: Eileen Collins' face, by eye, in 512 × 512 pixels.
    assert overlap(face.box, (172, 70, 278, 182)) > 0.7
    right_eye, left_eye, nose, mouth, *_ = face.points
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_eye[1] < nose[1] < mouth[1]


@pytest.mark.parametrize(("width", "height"), [(256, 512), (512, 256), (200, 200)])
def test_it_is_found_in_a_picture_of_another_shape(astronaut: np.ndarray, width: int, height: int) -> None:
    wide = np.zeros((max(height, 512), max(width, 512) * 2, 3), np.uint8)
    wide[:512, 300:812] = astronaut
    (face,) = FaceDetector(model("blazeface")).find(wide)
    assert overlap(face.box, (472, 70, 578, 182)) > 0.6
    small = scaled(astronaut, width, height)
    for found in FaceDetector(model("blazeface")).find(small):
        assert 0 < found.box[0] < width
        assert 0 < found.box[1] < height


def test_overlap_is_intersection_over_union() -> None:
    assert overlap((0, 0, 10, 10), (0, 0, 10, 10)) == 1
    assert overlap((0, 0, 10, 10), (5, 0, 15, 10)) == pytest.approx(1 / 3)
    assert overlap((0, 0, 10, 10), (20, 20, 30, 30)) == 0
    assert overlap((0, 0, 0, 0), (0, 0, 0, 0)) == 0


def test_a_crop_is_square_and_may_reach_over_the_edge(astronaut: np.ndarray) -> None:
    crop = face_crop(astronaut, (-50, -50, 50, 30), 64)
    assert crop.shape == (64, 64, 3)
    assert not crop[:20].any()


def test_the_task_says_where_and_what_cannot_be_used() -> None:
    task = FaceTask(model("blazeface"))
    good, empty, bad, worse = task.run(
        [
            Request({}, data_file("astronaut").read_bytes()),
            Request({}, picture(np.full((64, 64, 3), 90, np.uint8))),
            Request({}, b"no picture"),
            Request({"threshold": "high"}, picture(np.zeros((64, 64, 3), np.uint8))),
        ]
    )
    assert isinstance(good, Result) and isinstance(empty, Result)
    assert (good.values["width"], good.values["height"], len(good.values["faces"])) == (512, 512, 1)
    left, top, width, height = good.values["faces"][0]["box"]
    assert 150 < left < 200 and 50 < top < 100 and 90 < width < 130 and 90 < height < 130
    assert empty.values["faces"] == []
    assert isinstance(bad, TaskError) and bad.code == "bad_picture"
    assert isinstance(worse, TaskError) and worse.code == "bad_option"
