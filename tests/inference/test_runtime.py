"""What is computed on, what is said when a graphics card is not used, and graphs that are not the catalog's."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance.inference.entries import ModelFile, TensorSpec
from appliance.inference.installed import SHIPPED, ModelError, ModelFolder
from appliance.inference.messages import Device
from appliance.inference.runtime import Wanted, check_tensors, choose_device, find_device, load_model, open_graph
from tests.support.inference_world import models_folder
from tests.support.onnx_file import DOUBLE, identity_graph

CPU = ("CPUExecutionProvider",)
CUDA = ("CUDAExecutionProvider", *CPU)
ALL = ("TensorrtExecutionProvider", *CUDA)


@pytest.mark.parametrize(
    ("wanted", "available", "card", "used", "says"),
    [
        ("auto", CPU, False, "cpu", []),
        ("auto", CUDA, True, "cuda", []),
        ("auto", ALL, True, "cuda", []),
        ("auto", CUDA, False, "cpu", []),
        ("auto", CPU, True, "cpu", ["a graphics card is there and not used"]),
        ("cpu", CUDA, True, "cpu", []),
        ("cuda", CUDA, True, "cuda", []),
        ("cuda", CPU, True, "cpu", ["no CUDA: the CPU is used"]),
        ("cuda", CPU, False, "cpu", ["no CUDA: the CPU is used", "no graphics card"]),
        ("cuda", CUDA, False, "cuda", ["no graphics card"]),
        ("tensorrt", ALL, True, "tensorrt", []),
        ("tensorrt", CUDA, True, "cuda", ["no TensorRT: cuda is used"]),
        ("tensorrt", CPU, True, "cpu", ["no TensorRT: cpu is used", "no CUDA: the CPU is used"]),
    ],
)
def test_a_card_that_is_not_used_is_a_warning(
    wanted: Wanted, available: tuple[str, ...], card: bool, used: str, says: list[str]
) -> None:
    device = choose_device(wanted, available, card=card, runtime="onnxruntime 1", threads=1)
    assert device.used == used
    assert len(device.warnings) == len(says)
    for warning, part in zip(device.warnings, says, strict=True):
        assert part in warning


def test_this_machine_computes() -> None:
    device = find_device("cpu", 0)
    assert device.used == "cpu" and device.threads >= 1
    assert "CPUExecutionProvider" in device.available
    assert find_device("cpu", 3).threads == 3


def _device() -> Device:
    return find_device("cpu", 1)


def _spec(name: str, dtype: str, *shape: int | str) -> tuple[TensorSpec, ...]:
    return (TensorSpec(name=name, dtype=dtype, shape=shape),)  # type: ignore[arg-type]


def _file(**changes: object) -> ModelFile:
    tensors = {"inputs": _spec("x", "float32", "batch", 4), "outputs": _spec("y", "float32", "batch", 4)}
    fields = {"role": "model", "name": "y.onnx", **tensors}
    return ModelFile(**{**fields, **changes})  # type: ignore[arg-type]


def test_a_graph_runs(tmp_path: Path) -> None:
    models = models_folder(tmp_path)
    entry = models.entry("identity")
    device = _device()
    model = load_model(entry, models.path(entry), lambda _entry, _file, path: open_graph(path, device, tmp_path))
    rows = np.arange(8, dtype=np.float32).reshape(2, 4)
    (out,) = model.sessions["model"].run(None, {"x": rows})
    assert np.array_equal(out, rows)
    assert model.path("model").is_file()
    with pytest.raises(KeyError):
        model.path("tokenizer")


@pytest.mark.parametrize(
    ("file", "says"),
    [
        (_file(inputs=_spec("pixels", "float32", "batch", 4)), "input 'pixels' is missing; input 'x' is not in the"),
        (_file(inputs=_spec("x", "int64", "batch", 4)), r"input 'x' is tensor\(float\) instead of tensor\(int64\)"),
        (_file(inputs=_spec("x", "float32", "batch", 5)), r"has shape \['batch', 4\] instead of \['batch', 5\]"),
        (_file(inputs=_spec("x", "float32", 1, 4)), "input 'x' has shape"),
        (_file(inputs=_spec("x", "float32", "batch", "any")), "input 'x' has shape"),
        (_file(inputs=_spec("x", "float32", "batch")), "input 'x' has shape"),
        (_file(outputs=_spec("z", "float32", "batch", 4)), "output 'z' is missing"),
    ],
)
def test_a_graph_that_is_not_the_catalogs_is_refused_by_name(tmp_path: Path, file: ModelFile, says: str) -> None:
    path = tmp_path / "y.onnx"
    path.write_bytes(identity_graph())
    models = models_folder(tmp_path)
    session = open_graph(path, _device(), tmp_path)
    check_tensors(models.entry("identity"), _file(), session)
    with pytest.raises(ModelError, match=says) as caught:
        check_tensors(models.entry("identity"), file, session)
    assert caught.value.code == "model_broken"


def test_a_graph_of_other_numbers_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "y.onnx"
    path.write_bytes(identity_graph(element=DOUBLE))
    with pytest.raises(ModelError, match=r"tensor\(double\) instead of tensor\(float\)"):
        check_tensors(models_folder(tmp_path).entry("identity"), _file(), open_graph(path, _device(), tmp_path))


@pytest.mark.parametrize("content", [b"", b"no graph", identity_graph()[:-10]])
def test_what_is_no_graph_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "y.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"y\.onnx: ONNX Runtime refuses it"):
        open_graph(path, _device(), tmp_path)


@pytest.mark.slow
def test_the_shipped_graphs_are_what_the_catalog_says() -> None:
    models = ModelFolder(Path("unused"))
    seen = 0
    for entry in models.catalog:
        for file in entry.files:
            if file.source.startswith("file:"):
                path = SHIPPED.parent / file.source.removeprefix("file:")
                check_tensors(entry, file, open_graph(path, _device(), path.parent))
                seen += 1
    assert seen >= 6
