"""Upscalers of UpscalerJS, TensorFlow.js layers models, into ONNX.

Owns the reading of ``model.json`` with its weights, some of which are 8 bits with a scale, and the few layers of these
networks (residual dense networks, Zhang et al. 2018).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from appliance.ai.conversion.graph_builder import GraphBuilder


def convert(sources: Mapping[str, Path], folder: Path) -> None:
    """``upscaler.onnx``: ``LR_nhwc`` (N, H, W, 3) to ``sr_nhwc``, from roles ``topology`` (model.json) and ``weights``.

    ValueError for another model or weights that are cut off, ConfigError without ``onnx``.
    """
    try:
        document = msgspec.json.decode(sources["topology"].read_bytes())
        topology = document["modelTopology"]
        config = topology.get("model_config", topology)["config"]
        weights = _weights(document["weightsManifest"][0]["weights"], sources["weights"].read_bytes())
        graph = _graph(config, weights)
    except (msgspec.DecodeError, KeyError, IndexError, TypeError) as error:
        raise ValueError(f"not an upscaler of TensorFlow.js layers: {error!r}") from None
    graph.save(folder / "upscaler.onnx")


def _weights(manifest: list[dict[str, Any]], data: bytes) -> dict[str, NDArray[np.float32]]:
    found, at = {}, 0
    for entry in manifest:
        packed = entry.get("quantization")
        kind = np.dtype(packed["dtype"] if packed else entry["dtype"])
        count = int(np.prod(entry["shape"]))
        if at + count * kind.itemsize > len(data):
            raise ValueError(f"the weights are cut off at {entry['name']}")
        values = np.frombuffer(data, kind, count, at).astype(np.float32)
        at += count * kind.itemsize
        if packed:
            values = (values * packed["scale"] + packed["min"]).astype(np.float32)
        found[entry["name"]] = values.reshape(entry["shape"])
    return found


def _graph(config: dict[str, Any], weights: dict[str, NDArray[np.float32]]) -> GraphBuilder:
    graph = GraphBuilder("upscaler")
    tensors: dict[str, str] = {}
    for layer in config["layers"]:
        name, settings = layer["name"], layer["config"]
        inputs = [tensors[source[0]] for source in layer["inbound_nodes"][0]] if layer["inbound_nodes"] else []
        match layer["class_name"]:
            case "InputLayer":
                tensors[name] = graph.node("Transpose", graph.input("LR_nhwc", ("N", "H", "W", 3)), perm=[0, 3, 1, 2])
            case "Conv2D":
                constants = [graph.constant(weights[f"{name}/kernel"].transpose(3, 2, 0, 1))]
                if settings["use_bias"]:
                    constants.append(graph.constant(weights[f"{name}/bias"]))
                made = graph.node("Conv", *inputs, *constants, auto_pad="SAME_UPPER", strides=settings["strides"])
                tensors[name] = _activated(graph, made, settings["activation"])
            case "Activation":
                tensors[name] = _activated(graph, inputs[0], settings["activation"])
            case "Concatenate":
                tensors[name] = graph.node("Concat", *inputs, axis=1)
            case "Add":
                tensors[name] = graph.node("Sum", *inputs)
            case "UpSampling2D" if settings["interpolation"] == "nearest":
                scales = graph.constant(np.array([1, 1, *settings["size"]], np.float32))
                tensors[name] = graph.node(
                    "Resize", inputs[0], "", scales, mode="nearest", nearest_mode="floor",
                    coordinate_transformation_mode="asymmetric",
                )  # fmt: skip
            case other:
                raise ValueError(f"a layer of class {other} is unknown")
    graph.node("Transpose", tensors[config["output_layers"][0][0]], output="sr_nhwc", perm=[0, 2, 3, 1])
    graph.output("sr_nhwc", ("N", "H2", "W2", 3))
    return graph


def _activated(graph: GraphBuilder, tensor: str, activation: str) -> str:
    if activation == "linear":
        return tensor
    if activation == "relu":
        return graph.node("Relu", tensor)
    raise ValueError(f"an activation {activation} is unknown")
