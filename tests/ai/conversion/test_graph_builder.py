"""Graphs that are written can be run."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest

pytest.importorskip("onnx", reason="converting a model needs the package onnx")

from appliance.ai.conversion.graph_builder import GraphBuilder


def test_a_graph_computes_what_was_written(tmp_path: Path) -> None:
    graph = GraphBuilder("small")
    x = graph.input("x", ("N", 4))
    left, right = graph.split(x, 2, 2)
    weights = graph.constant(np.array([[1, 2], [3, 4]], np.float32), "w")
    assert graph.constant(np.zeros(1, np.float32), "w") == weights
    total = graph.node("Add", graph.node("MatMul", left, weights), right)
    graph.node("Reshape", total, graph.whole(-1), output="y")
    graph.output("y", ("M",))
    graph.save(tmp_path / "small.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "small.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(["y"], {"x": np.array([[1, 1, 10, 20]], np.float32)})
    assert found.tolist() == [14, 26]


def test_a_graph_that_makes_no_sense_is_not_saved(tmp_path: Path) -> None:
    graph = GraphBuilder("broken")
    graph.node("Add", "nowhere", "nothing", output="y")
    graph.output("y", ("N",))
    with pytest.raises(Exception, match="nowhere"):
        graph.save(tmp_path / "broken.onnx")
    assert not (tmp_path / "broken.onnx").exists()
