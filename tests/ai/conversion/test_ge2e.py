"""The voice encoder's graph; that its embeddings tell voices apart is in test_bench."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx", reason="converting a model needs the package onnx")

from appliance.ai.conversion import ge2e
from tests.ai.conversion.test_torch_archive import NUMBERS, archive, tensor_pickle
from tests.support.ai_models import model


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


@pytest.mark.slow
def test_the_graph_computes_pytorchs_lstm() -> None:
    """By the formulas of torch.nn.LSTM, from the weights in the graph's own constants."""
    import onnx
    from onnx import numpy_helper

    real = model("ge2e")
    graph = onnx.load(str(real.path("model"))).graph
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    mels = np.random.default_rng(0).uniform(0, 1e-3, (1, 20, 40)).astype(np.float32)
    layer = mels[0].astype(np.float64)
    for node in (node for node in graph.node if node.op_type == "LSTM"):
        into, again, bias = (values[name][0].astype(np.float64) for name in node.input[1:4])
        hidden = cell = np.zeros(256)
        outputs = []
        for frame in layer:
            gates = into @ frame + again @ hidden + bias[:1024] + bias[1024:]
            i, o, f, c = np.split(gates, 4)
            cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(c)
            hidden = sigmoid(o) * np.tanh(cell)
            outputs.append(hidden)
        layer = np.array(outputs)
    (gemm,) = [node for node in graph.node if node.op_type == "Gemm"]
    raw = np.maximum(values[gemm.input[1]] @ layer[-1] + values[gemm.input[2]], 0)
    (found,) = real.sessions["model"].run(["embedding"], {"mels": mels})
    assert np.allclose(found[0], raw / np.linalg.norm(raw), atol=1e-4)


def test_gates_are_reordered_from_pytorchs_to_onnxs() -> None:
    assert ge2e._gates(np.arange(4)).tolist() == [0, 3, 1, 2]


def test_another_checkpoint_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.pt", tensor_pickle(), NUMBERS)
    with pytest.raises(ValueError, match="does not hold a voice encoder"):
        ge2e.convert({"checkpoint": path}, tmp_path)
