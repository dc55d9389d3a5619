"""Zero-DCE's curves, a PyTorch checkpoint, into ONNX.

Owns the graph (Guo et al. 2020, fig. 3): ``image`` (N, 3, H, W), 0 to 1, to ``curves`` (N, 24, H, W), -1 to 1: eight
steps of three channels. Applying them is not in the graph: curves are smooth, so they are computed of a small picture
and applied to a large one (`vision.low_light`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.ai.conversion.graph_builder import GraphBuilder
from appliance.ai.conversion.torch_archive import read_checkpoint


def convert(sources: Mapping[str, Path], folder: Path) -> None:
    """``zero_dce.onnx`` from the role ``checkpoint``. ValueError for another file, ConfigError without ``onnx``."""
    state: Any = read_checkpoint(sources["checkpoint"]).get("model_state_dict")
    if not isinstance(state, dict) or "dce_net.conv7.weight" not in state:
        raise ValueError("the checkpoint does not hold a Zero-DCE")
    graph = GraphBuilder("zero_dce")

    def convolve(n: int, *tensors: str) -> str:
        x = tensors[0] if len(tensors) == 1 else graph.node("Concat", *tensors, axis=1)
        weights = [graph.constant(state[f"dce_net.conv{n}.{part}"]) for part in ("weight", "bias")]
        return graph.node("Conv", x, *weights, pads=[1] * 4)

    def relu(tensor: str) -> str:
        return graph.node("Relu", tensor)

    image = graph.input("image", ("N", 3, "H", "W"))
    first = relu(convolve(1, image))
    second = relu(convolve(2, first))
    third = relu(convolve(3, second))
    fourth = relu(convolve(4, third))
    fifth = relu(convolve(5, fourth, third))
    sixth = relu(convolve(6, fifth, second))
    graph.node("Tanh", convolve(7, sixth, first), output="curves")
    graph.output("curves", ("N", 24, "H", "W"))
    graph.save(folder / "zero_dce.onnx")
