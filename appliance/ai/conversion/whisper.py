"""Whisper's weights, as CTranslate2 stores them, into an encoder and a decoder of ONNX.

Owns the two graphs (Radford et al. 2022, Vaswani et al. 2017). The encoder gives each decoder layer's keys and values
at once, so that a decoding step computes nothing of the sound again; the decoder takes and gives its own cache. Sizes
come from the weights, so that tiny to large can be made.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from appliance.ai.conversion.ctranslate2 import read_weights
from appliance.ai.conversion.graph_builder import GraphBuilder

HEAD = 64
"""Width of an attention head in every Whisper."""
EPSILON = 1e-5
POSITIONS = 448
"""Of the decoder; the encoder's come from its weights."""

Weights = dict[str, NDArray[np.generic]]


def convert_int8(sources: Mapping[str, Path], folder: Path) -> None:
    """``encoder.onnx`` and ``decoder.onnx`` with weights of 8 bits, from roles ``part1`` and ``part2`` of a model.bin.

    A third of the memory, and half again as quick on CPUs; graphics cards want `convert_fp32`'s. Takes half a minute.
    ValueError for a file that is not Whisper's, ConfigError without the package ``onnx``.
    """
    from onnxruntime.quantization import QuantType, quantize_dynamic

    made = folder / "fp32"
    made.mkdir()
    try:
        convert_fp32(sources, made)
        for name, operators in (("encoder", ["MatMul"]), ("decoder", ["MatMul", "Gather"])):
            quantize_dynamic(
                str(made / f"{name}.onnx"),
                str(folder / f"{name}.onnx"),
                weight_type=QuantType.QInt8,
                per_channel=True,
                op_types_to_quantize=operators,
            )
    finally:
        for file in made.iterdir():
            file.unlink()
        made.rmdir()


def convert_fp32(sources: Mapping[str, Path], folder: Path) -> None:
    """The same with weights of 32 bits."""
    weights = read_weights([sources[role] for role in sorted(sources) if role.startswith("part")])
    if "encoder/conv1/weight" not in weights or "decoder/embeddings/weight" not in weights:
        raise ValueError("model.bin does not hold a Whisper")
    _Encoder(weights).save(folder / "encoder.onnx")
    _Decoder(weights).save(folder / "decoder.onnx")


class _Transformer(GraphBuilder):
    """What both halves are made of."""

    def __init__(self, name: str, weights: Weights) -> None:
        super().__init__(name)
        self._weights = weights
        self.width = weights["decoder/embeddings/weight"].shape[1]
        self.heads = self.width // HEAD

    def layers(self, half: str) -> list[str]:
        found = {name.split("/")[1] for name in self._weights if name.startswith(f"{half}/layer_")}
        return [f"{half}/layer_{n}" for n in range(len(found - {"layer_norm"}))]

    def weight(self, name: str, transposed: bool = False) -> str:
        value = self._weights[name].astype(np.float32)
        return self.constant(value.T if transposed else value, name.replace("/", ".") + (".T" if transposed else ""))

    def linear(self, tensor: str, name: str) -> str:
        product = self.node("MatMul", tensor, self.weight(f"{name}/weight", transposed=True))
        return self.node("Add", product, self.weight(f"{name}/bias"))

    def norm(self, tensor: str, name: str) -> str:
        gamma, beta = self.weight(f"{name}/gamma"), self.weight(f"{name}/beta")
        return self.node("LayerNormalization", tensor, gamma, beta, axis=-1, epsilon=EPSILON)

    def into_heads(self, tensor: str, output: str | None = None) -> str:
        apart = self.node("Reshape", tensor, self.whole(0, -1, self.heads, HEAD))
        return self.node("Transpose", apart, perm=[0, 2, 1, 3], output=output)

    def attention(self, query: str, key: str, value: str, mask: str | None = None) -> str:
        scaled = self.node("Mul", query, self.constant(np.array(HEAD**-0.5, np.float32), "scale"))
        scores = self.node("MatMul", scaled, self.node("Transpose", key, perm=[0, 1, 3, 2]))
        if mask is not None:
            scores = self.node("Add", scores, mask)
        mixed = self.node("MatMul", self.node("Softmax", scores, axis=-1), value)
        return self.node("Reshape", self.node("Transpose", mixed, perm=[0, 2, 1, 3]), self.whole(0, -1, self.width))

    def feed_forward(self, tensor: str, layer: str) -> str:
        hidden = self.norm(tensor, f"{layer}/ffn/layer_norm")
        hidden = self.node("Gelu", self.linear(hidden, f"{layer}/ffn/linear_0"))
        return self.node("Add", tensor, self.linear(hidden, f"{layer}/ffn/linear_1"))

    def length(self, tensor: str, axis: int) -> str:
        """A list of one number: how long the tensor is there."""
        return self.node("Slice", self.node("Shape", tensor), self.whole(axis), self.whole(axis + 1))


class _Encoder(_Transformer):
    """``mel`` (B, 80, frames) to ``cross_k_N`` and ``cross_v_N`` (B, heads, frames / 2, 64)."""

    def __init__(self, weights: Weights) -> None:
        super().__init__("whisper_encoder", weights)
        bands = weights["encoder/conv1/weight"].shape[1]
        x = self.input("mel", ("B", bands, "M"))
        for name, stride in (("conv1", 1), ("conv2", 2)):
            kernel, bias = self.weight(f"encoder/{name}/weight"), self.weight(f"encoder/{name}/bias")
            x = self.node("Gelu", self.node("Conv", x, kernel, bias, pads=[1, 1], strides=[stride]))
        x = self.node("Transpose", x, perm=[0, 2, 1])
        positions = self.weight("encoder/position_encodings/encodings")
        x = self.node("Add", x, self.node("Slice", positions, self.whole(0), self.length(x, 1), self.whole(0)))
        for layer in self.layers("encoder"):
            hidden = self.linear(self.norm(x, f"{layer}/self_attention/layer_norm"), f"{layer}/self_attention/linear_0")
            query, key, value = (self.into_heads(part) for part in self.split(hidden, 3, self.width))
            mixed = self.attention(query, key, value)
            x = self.node("Add", x, self.linear(mixed, f"{layer}/self_attention/linear_1"))
            x = self.feed_forward(x, layer)
        x = self.norm(x, "encoder/layer_norm")
        for n, layer in enumerate(self.layers("decoder")):
            parts = self.split(self.linear(x, f"{layer}/attention/linear_1"), 2, self.width)
            for letter, part in zip("kv", parts, strict=True):
                name = self.into_heads(part, output=f"cross_{letter}_{n}")
                self.output(name, ("B", self.heads, "S", HEAD))


class _Decoder(_Transformer):
    """``input_ids`` (B, T), caches and crosses to ``logits`` (B, T, tokens) and the caches with T more."""

    def __init__(self, weights: Weights) -> None:
        super().__init__("whisper_decoder", weights)
        ids = self.input("input_ids", ("B", "T"), np.int64)
        tokens = weights["decoder/embeddings/weight"].shape[0]
        self.output("logits", ("B", "T", tokens))
        layers = self.layers("decoder")
        for n in range(len(layers)):
            for letter in "kv":
                self.input(f"past_{letter}_{n}", ("B", self.heads, "P", HEAD))
                self.input(f"cross_{letter}_{n}", ("B", self.heads, "S", HEAD))
                self.output(f"present_{letter}_{n}", ("B", self.heads, "PT", HEAD))
        begin = self.length("past_k_0", 2)
        end = self.node("Add", begin, self.length(ids, 1))
        positions = self.weight("decoder/position_encodings/encodings")
        x = self.node("Gather", self.weight("decoder/embeddings/weight"), ids)
        x = self.node("Add", x, self.node("Slice", positions, begin, end, self.whole(0)))
        later = self.constant(np.triu(np.full((POSITIONS, POSITIONS), -1e9, np.float32), 1), "later")
        rows = self.node("Concat", begin, self.whole(0), axis=0)
        mask = self.node("Slice", later, rows, self.node("Concat", end, end, axis=0))
        for n, layer in enumerate(layers):
            x = self._layer(x, n, layer, mask)
        x = self.norm(x, "decoder/layer_norm")
        self.node("MatMul", x, self.weight("decoder/embeddings/weight", transposed=True), output="logits")

    def _layer(self, x: str, n: int, layer: str, mask: str) -> str:
        hidden = self.linear(self.norm(x, f"{layer}/self_attention/layer_norm"), f"{layer}/self_attention/linear_0")
        query, key, value = (self.into_heads(part) for part in self.split(hidden, 3, self.width))
        key = self.node("Concat", f"past_k_{n}", key, axis=2, output=f"present_k_{n}")
        value = self.node("Concat", f"past_v_{n}", value, axis=2, output=f"present_v_{n}")
        mixed = self.attention(query, key, value, mask)
        x = self.node("Add", x, self.linear(mixed, f"{layer}/self_attention/linear_1"))
        hidden = self.linear(self.norm(x, f"{layer}/attention/layer_norm"), f"{layer}/attention/linear_0")
        mixed = self.attention(self.into_heads(hidden), f"cross_k_{n}", f"cross_v_{n}")
        x = self.node("Add", x, self.linear(mixed, f"{layer}/attention/linear_2"))
        return self.feed_forward(x, layer)
