"""Graphs are checked before they are used."""

import numpy as np
import pytest

from appliance.ai.graphs import graph, rounded, run_one, sigmoid, softmax
from tests.support.ai_models import model, without


def test_a_graph_without_a_tensor_is_refused_by_name() -> None:
    faces = model("blazeface")
    graph(faces, "detector", ("input",), ("Identity",))
    with pytest.raises(ValueError, match="blazeface: detector has no input pixels"):
        graph(faces, "detector", ("pixels",), ())
    with pytest.raises(ValueError, match="detector has no output a, b"):
        graph(faces, "detector", (), ("b", "a", "Identity"))
    with pytest.raises(ValueError, match="no graph has the role 'detector'"):
        graph(without(faces, "detector"), "detector", (), ())


def test_one_output_of_a_run() -> None:
    session = model("emotion").sessions["model"]
    scores = run_one(session, "Identity", input_1=np.zeros((2, 64, 64, 1), np.float32))
    assert scores.shape == (2, 7)


def test_large_logits_do_not_overflow() -> None:
    assert softmax(np.array([1e4, 0, -1e4])).tolist() == [1, 0, 0]
    assert sigmoid(np.array([-1e6, 0, 1e6])) == pytest.approx([0, 0.5, 1])
    assert rounded([0.12345, 1]) == [0.123, 1.0]
