"""Writes ONNX graphs, node by node. Pure but for the file that is saved.

Owns names of nodes and constants; `whisper`, `ge2e` and `zero_dce` say what the graphs are.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.errors import ConfigError

OPSET = 20
"""The first with Gelu; ONNX Runtime 1.17 and later know it."""
IR_VERSION = 9

TensorShape = Sequence[int | str]


def onnx_library() -> Any:
    """The package ``onnx``. ConfigError when it is not installed."""
    try:
        import onnx
    except ImportError:
        raise ConfigError('converting a model needs the package onnx: pip install "parley[convert]"') from None
    return onnx


class GraphBuilder:
    """One graph. Methods take and return names of tensors."""

    def __init__(self, name: str) -> None:
        """ConfigError when the package ``onnx`` is not installed."""
        self._onnx = onnx_library()
        self._name = name
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._outputs: list[Any] = []
        self._count = 0

    def _fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count}"

    def constant(self, value: NDArray[Any], name: str | None = None) -> str:
        """A tensor of the graph itself; the same ``name`` is kept once."""
        name = name or self._fresh("constant")
        if name not in self._constants:
            self._constants[name] = self._onnx.numpy_helper.from_array(np.ascontiguousarray(value), name)
        return name

    def whole(self, *numbers: int) -> str:
        """A constant list of int64."""
        return self.constant(np.array(numbers, np.int64), "ints_" + "_".join(map(str, numbers)).replace("-", "m"))

    def node(self, operator: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """One operator with one output."""
        output = output or self._fresh(operator.lower())
        return self.nodes(operator, inputs, [output], **attributes)[0]

    def nodes(self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> list[str]:
        """One operator with several outputs, named."""
        self._nodes.append(
            self._onnx.helper.make_node(
                operator, list(inputs), list(outputs), name=self._fresh(f"node_{operator}"), **attributes
            )
        )
        return list(outputs)

    def split(self, tensor: str, parts: int, size: int) -> list[str]:
        """Equal parts along the last axis."""
        return self.nodes(
            "Split", [tensor, self.whole(*[size] * parts)], [self._fresh("part") for _ in range(parts)], axis=-1
        )

    def input(self, name: str, shape: TensorShape, dtype: Any = np.float32) -> str:
        """An input of the graph; texts in the shape are free dimensions."""
        self._inputs.append(self._tensor(name, shape, dtype))
        return name

    def output(self, name: str, shape: TensorShape) -> str:
        """An output of the graph, of float32."""
        self._outputs.append(self._tensor(name, shape, np.float32))
        return name

    def _tensor(self, name: str, shape: TensorShape, dtype: Any) -> Any:
        kind = self._onnx.helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
        return self._onnx.helper.make_tensor_value_info(name, kind, list(shape))

    def save(self, path: Path) -> None:
        """Check the graph and write it."""
        helper = self._onnx.helper
        graph = helper.make_graph(self._nodes, self._name, self._inputs, self._outputs, list(self._constants.values()))
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="parley")
        model.ir_version = IR_VERSION
        self._onnx.checker.check_model(model)
        self._onnx.save(model, str(path))
