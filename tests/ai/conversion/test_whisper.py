"""Whisper's graphs, made of weights of a tiny one, give what the formulas give. The real one is in test_bench."""

import struct
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

pytest.importorskip("onnx", reason="converting a model needs the package onnx")

from appliance.ai.conversion import whisper
from tests.ai.conversion.test_ctranslate2 import tensor, text

WIDTH, TOKENS, FRAMES = 64, 50, 8


def tiny(path: Path) -> dict[str, Path]:
    """A Whisper of one layer and one head, with random weights, in CTranslate2's format."""
    draw = np.random.default_rng(3)
    weights: dict[str, np.ndarray] = {}

    def linear(name: str, rows: int, columns: int) -> None:
        weights[f"{name}/weight"] = draw.normal(0, 0.1, (rows, columns))
        weights[f"{name}/bias"] = draw.normal(0, 0.1, rows)

    def norm(name: str) -> None:
        weights[f"{name}/gamma"], weights[f"{name}/beta"] = np.ones(WIDTH), np.zeros(WIDTH)

    for n, bands in ((1, 80), (2, WIDTH)):
        weights[f"encoder/conv{n}/weight"] = draw.normal(0, 0.1, (WIDTH, bands, 3))
        weights[f"encoder/conv{n}/bias"] = np.zeros(WIDTH)
    weights["encoder/position_encodings/encodings"] = draw.normal(0, 0.1, (1500, WIDTH))
    weights["decoder/position_encodings/encodings"] = draw.normal(0, 0.1, (448, WIDTH))
    weights["decoder/embeddings/weight"] = draw.normal(0, 1, (TOKENS, WIDTH))
    for half in ("encoder", "decoder"):
        layer = f"{half}/layer_0"
        norm(f"{half}/layer_norm")
        norm(f"{layer}/self_attention/layer_norm")
        norm(f"{layer}/ffn/layer_norm")
        linear(f"{layer}/self_attention/linear_0", 3 * WIDTH, WIDTH)
        linear(f"{layer}/self_attention/linear_1", WIDTH, WIDTH)
        linear(f"{layer}/ffn/linear_0", 2 * WIDTH, WIDTH)
        linear(f"{layer}/ffn/linear_1", WIDTH, 2 * WIDTH)
    norm("decoder/layer_0/attention/layer_norm")
    linear("decoder/layer_0/attention/linear_0", WIDTH, WIDTH)
    linear("decoder/layer_0/attention/linear_1", 2 * WIDTH, WIDTH)
    linear("decoder/layer_0/attention/linear_2", WIDTH, WIDTH)
    body = b"".join(tensor(name, value.astype(np.float32), 0) for name, value in weights.items())
    head = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(weights))
    whole = head + body + struct.pack("<I", 0)
    parts = {"part1": path / "p1", "part2": path / "p2"}
    parts["part1"].write_bytes(whole[:1000])
    parts["part2"].write_bytes(whole[1000:])
    return parts


def session(path: Path) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


@pytest.mark.slow
def test_token_by_token_gives_what_all_at_once_gives(tmp_path: Path) -> None:
    whisper.convert_fp32(tiny(tmp_path), tmp_path)
    mel = np.random.default_rng(1).normal(0, 1, (1, 80, FRAMES)).astype(np.float32)
    names = ["cross_k_0", "cross_v_0"]
    crosses = dict(zip(names, session(tmp_path / "encoder.onnx").run(names, {"mel": mel}), strict=True))
    assert crosses["cross_k_0"].shape == (1, 1, FRAMES // 2, 64)
    decoder = session(tmp_path / "decoder.onnx")
    empty = {f"past_{letter}_0": np.zeros((1, 1, 0, 64), np.float32) for letter in "kv"}
    tokens = np.array([[3, 14, 15, 9]], np.int64)
    at_once = decoder.run(["logits"], {"input_ids": tokens, **crosses, **empty})[0]
    assert at_once.shape == (1, 4, TOKENS)
    past = empty
    for n in range(4):
        logits, key, value = decoder.run(
            ["logits", "present_k_0", "present_v_0"], {"input_ids": tokens[:, n : n + 1], **crosses, **past}
        )
        assert np.allclose(logits[0, 0], at_once[0, n], atol=1e-4)
        past = {"past_k_0": key, "past_v_0": value}


@pytest.mark.slow
def test_eight_bits_leave_only_their_graphs_and_nearly_the_same_logits(tmp_path: Path) -> None:
    sources = tiny(tmp_path)
    for name in ("whole", "small"):
        (tmp_path / name).mkdir()
    whisper.convert_fp32(sources, tmp_path / "whole")
    whisper.convert_int8(sources, tmp_path / "small")
    assert sorted(path.name for path in (tmp_path / "small").iterdir()) == ["decoder.onnx", "encoder.onnx"]
    mel = np.random.default_rng(1).normal(0, 1, (1, 80, FRAMES)).astype(np.float32)
    encoders = [session(tmp_path / name / "encoder.onnx") for name in ("whole", "small")]
    one, other = (encoder.run(["cross_v_0"], {"mel": mel})[0] for encoder in encoders)
    assert np.corrcoef(one.ravel(), other.ravel())[0, 1] > 0.99


def test_another_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "p1"
    path.write_bytes(struct.pack("<I", 6) + text("TransformerSpec") + struct.pack("<III", 1, 0, 0))
    with pytest.raises(ValueError, match="does not hold a Whisper"):
        whisper.convert_fp32({"part1": path}, tmp_path)
