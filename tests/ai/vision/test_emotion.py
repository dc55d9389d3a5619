"""Expressions over time."""

import av
import numpy as np
import pytest

from appliance.ai.pictures import decode_picture_untrusted, encode_picture
from appliance.ai.vision.emotion import EMOTIONS, EmotionTask, Faces, expression_values
from appliance.inference.task import Request, Result, TaskError
from tests.support.ai_models import data_file, model

HAPPY = np.eye(7)[EMOTIONS.index("happy")]
SAD = np.eye(7)[EMOTIONS.index("sad")]
HERE, THERE = (0.0, 0.0, 100.0, 100.0), (300.0, 0.0, 400.0, 100.0)


def test_the_astronaut_is_happy() -> None:
    (answer,) = EmotionTask(model("emotion")).run([Request({}, data_file("astronaut").read_bytes())])
    assert isinstance(answer, Result)
    (face,) = answer.values["faces"]
    assert (face["emotion"], face["confidence"] > 0.9) == ("happy", True)
    assert set(face["scores"]) == set(EMOTIONS)
    assert sum(face["scores"].values()) == pytest.approx(1, abs=0.01)
    assert "id" not in face


def test_one_picture_changes_little_and_a_second_changes_much() -> None:
    faces = Faces(smoothing_s=1.5)
    ((_, scores),) = faces.see([(HERE, HAPPY)], 0.0)
    assert scores[3] == 1
    ((_, scores),) = faces.see([(HERE, SAD)], 0.1)
    assert scores[3] > 0.9
    for tenth in range(2, 60):
        ((number, scores),) = faces.see([(HERE, SAD)], tenth / 10)
    assert number == 1
    assert scores[4] > 0.95


def test_faces_are_followed_by_where_they_are() -> None:
    faces = Faces()
    assert [number for number, _ in faces.see([(HERE, HAPPY), (THERE, SAD)], 0.0)] == [1, 2]
    moved = (290.0, 5.0, 390.0, 105.0)
    assert [number for number, _ in faces.see([(moved, SAD), (HERE, HAPPY)], 0.5)] == [2, 1]
    assert [number for number, _ in faces.see([(THERE, SAD)], 1.0)] == [2]
    assert [number for number, _ in faces.see([(HERE, HAPPY)], 9.0)] == [3]


def test_what_is_unsure_says_so() -> None:
    assert expression_values(HERE, HAPPY)["emotion"] == "happy"
    assert expression_values(HERE, np.full(7, 1 / 7))["emotion"] == "unsure"
    assert expression_values((0, 0, 10, 10), HAPPY)["emotion"] == "unsure"


@pytest.mark.slow
def test_a_face_keeps_its_number_through_a_video() -> None:
    task = EmotionTask(model("emotion"))
    numbers = set()
    with av.open(str(data_file("carphone"))) as video:
        for n, frame in enumerate(video.decode(video=0)):
            if n % 12 == 0:
                asked = Request(
                    {"session": "car", "at_ms": n * 1000 / 30}, encode_picture(frame.to_ndarray(format="rgb24"), "png")
                )
                (answer,) = task.run([asked])
                assert isinstance(answer, Result), answer
                numbers |= {face["id"] for face in answer.values["faces"]}
    assert numbers == {1}
    task.close("car")


def test_a_track_needs_a_time() -> None:
    data = encode_picture(decode_picture_untrusted(data_file("astronaut").read_bytes()), "jpeg")
    (answer,) = EmotionTask(model("emotion")).run([Request({"session": "a"}, data)])
    assert isinstance(answer, TaskError)
    assert answer.code == "bad_option"
