"""The voice encoder of Resemblyzer, a PyTorch checkpoint, into ONNX: three LSTM layers and a projection.

Owns the graph (Wan et al. 2018): ``mels`` (N, frames, 40) to ``embedding`` (N, 256), unit vectors.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.ai.conversion.graph_builder import GraphBuilder
from appliance.ai.conversion.torch_archive import read_checkpoint

_LAYERS = 3


def convert(sources: Mapping[str, Path], folder: Path) -> None:
    """``ge2e.onnx`` from the role ``checkpoint``. ValueError for another file, ConfigError without ``onnx``."""
    state = read_checkpoint(sources["checkpoint"]).get("model_state")
    if not isinstance(state, dict) or "lstm.weight_ih_l0" not in state:
        raise ValueError("the checkpoint does not hold a voice encoder")
    graph = GraphBuilder("ge2e")
    bands = state["lstm.weight_ih_l0"].shape[1]
    width = state["lstm.weight_hh_l0"].shape[1]
    x = graph.node("Transpose", graph.input("mels", ("N", "T", bands)), perm=[1, 0, 2])
    last = ""
    for n in range(_LAYERS):
        bias = np.concatenate([_gates(state[f"lstm.bias_ih_l{n}"]), _gates(state[f"lstm.bias_hh_l{n}"])])
        weights = [_gates(state[f"lstm.weight_ih_l{n}"]), _gates(state[f"lstm.weight_hh_l{n}"]), bias]
        constants = [graph.constant(value[None].astype(np.float32)) for value in weights]
        every, last = graph.nodes("LSTM", [x, *constants], [f"every_{n}", f"last_{n}"], hidden_size=width)
        x = graph.node("Squeeze", every, graph.whole(1))
    hidden = graph.node("Squeeze", last, graph.whole(0))
    projected = graph.node(
        "Gemm", hidden, graph.constant(state["linear.weight"]), graph.constant(state["linear.bias"]), transB=1
    )
    # Resemblyzer's encoder ends in a ReLU: its embeddings have no negative part.
    graph.node("LpNormalization", graph.node("Relu", projected), output="embedding", axis=1, p=2)
    graph.output("embedding", ("N", state["linear.weight"].shape[0]))
    graph.save(folder / "ge2e.onnx")


def _gates(weight: NDArray[Any]) -> NDArray[Any]:
    """PyTorch orders an LSTM's gates input, forget, cell, output; ONNX input, output, forget, cell."""
    into, forget, cell, out = np.split(weight, 4)
    return np.concatenate([into, out, forget, cell])
