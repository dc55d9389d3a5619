"""An upscaler's graph, of a small network whose answer is known; the real one is in test_bench."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

pytest.importorskip("onnx", reason="converting a model needs the package onnx")

from appliance.ai.conversion import upscaler


def layer(kind: str, name: str, inputs: list[str], **config: Any) -> dict[str, Any]:
    return {
        "class_name": kind,
        "name": name,
        "config": {"name": name, **config},
        "inbound_nodes": [[[source, 0, 0, {}] for source in inputs]] if inputs else [],
    }


CONV = {"use_bias": True, "strides": [1, 1], "activation": "relu"}
LAYERS = [
    layer("InputLayer", "LR", []),
    layer("Conv2D", "C", ["LR"], **CONV),
    layer("Add", "A", ["LR", "C"]),
    layer("UpSampling2D", "U", ["A"], size=[2, 2], interpolation="nearest"),
]
MANIFEST = [
    {"name": "C/kernel", "shape": [1, 1, 3, 3], "dtype": "float32",
     "quantization": {"dtype": "uint8", "min": -1.0, "scale": 0.5}},
    {"name": "C/bias", "shape": [3], "dtype": "float32"},
]  # fmt: skip
# Kernel: uint8 4 is 1.0, 2 is 0.0: the identity, as (height, width, in, out).
WEIGHTS = bytes([4, 2, 2, 2, 4, 2, 2, 2, 4]) + np.array([1, 0, -9], np.float32).tobytes()


def sources(folder: Path, layers: list[dict[str, Any]] = LAYERS, weights: bytes = WEIGHTS) -> dict[str, Path]:
    config = {"layers": layers, "output_layers": [["U", 0, 0]]}
    document = {"modelTopology": {"model_config": {"config": config}}, "weightsManifest": [{"weights": MANIFEST}]}
    (folder / "model.json").write_text(json.dumps(document))
    (folder / "weights.bin").write_bytes(weights)
    return {"topology": folder / "model.json", "weights": folder / "weights.bin"}


def test_layers_and_packed_weights_become_a_graph(tmp_path: Path) -> None:
    upscaler.convert(sources(tmp_path), tmp_path)
    session = onnxruntime.InferenceSession(str(tmp_path / "upscaler.onnx"), providers=["CPUExecutionProvider"])
    (large,) = session.run(["sr_nhwc"], {"LR_nhwc": np.full((1, 2, 3, 3), 2, np.float32)})
    assert large.shape == (1, 4, 6, 3)
    assert large[0, 0, 0].tolist() == [2 + 3, 2 + 2, 2 + 0]


@pytest.mark.parametrize(
    ("layers", "weights", "why"),
    [
        ([layer("Dropout", "U", [])], WEIGHTS, "class Dropout"),
        ([LAYERS[0], layer("Activation", "U", ["LR"], activation="swish")], WEIGHTS, "activation swish"),
        (LAYERS, WEIGHTS[:-1], "cut off at C/bias"),
        ([layer("Add", "U", ["nowhere"])], WEIGHTS, "not an upscaler"),
    ],
)
def test_another_model_is_refused(tmp_path: Path, layers: list[dict[str, Any]], weights: bytes, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        upscaler.convert(sources(tmp_path, layers, weights), tmp_path)
