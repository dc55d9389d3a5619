"""Real faces, and the band in which nothing is said; the count over all photographs is in test_bench."""

import msgspec
import pytest

from appliance.ai.vision.spoof import Band, SpoofTask
from appliance.inference.task import LoadedModel, Request, Result
from tests.support.ai_models import data_file, model, without


@pytest.mark.parametrize(
    ("antispoof", "liveness", "face_px", "said"),
    [
        (0.8, 0.9, 200, "real"),
        (0.5, 0.9, 200, "real"),
        (0.1, 0.1, 200, "spoof"),
        (0.0, 0.39, 200, "spoof"),
        (0.0, 0.5, 200, "unsure"),
        (0.3, 0.3, 200, "unsure"),
        (0.0, 0.0, 40, "unsure"),
        (1.0, 1.0, 40, "unsure"),
    ],
)
def test_an_accusation_needs_both_models(antispoof: float, liveness: float, face_px: float, said: str) -> None:
    assert Band().verdict(antispoof, liveness, face_px) == said


def test_a_real_face_is_real_and_leaves_no_evidence() -> None:
    (answer,) = SpoofTask(model("face-spoof")).run([Request({}, data_file("astronaut").read_bytes())])
    assert isinstance(answer, Result)
    (face,) = answer.values["faces"]
    assert face["verdict"] == "real"
    assert 0 <= face["antispoof"] <= 1 and 0 <= face["liveness"] <= 1
    assert answer.payload == b""


def with_bounds(**options: object) -> LoadedModel:
    real = model("face-spoof")
    return LoadedModel(msgspec.structs.replace(real.entry, options=options), real.folder, real.sessions)


def test_an_accusation_comes_with_the_picture() -> None:
    # No labelled attack is at hand: with these bounds the real face counts as one.
    task = SpoofTask(with_bounds(real_from=1.1, spoof_below=1.05))
    (answer,) = task.run([Request({}, data_file("astronaut").read_bytes())])
    assert answer.values["faces"][0]["verdict"] == "spoof"
    assert answer.payload.startswith(b"\xff\xd8\xff")


def test_bounds_of_the_catalog_are_checked() -> None:
    with pytest.raises(ValueError, match="spoof_below"):
        SpoofTask(with_bounds(spoof_below="low"))


@pytest.mark.parametrize("role", ["detector", "antispoof", "liveness"])
def test_a_model_without_a_part_is_refused(role: str) -> None:
    with pytest.raises(ValueError, match=role):
        SpoofTask(without(model("face-spoof"), role))
