"""A small ONNX graph, written by hand: ``y = x`` for float32 of any batch times four.

Protocol buffers (https://protobuf.dev/programming-guides/encoding): a field is ``number << 3 | type`` and then a varint
(type 0) or a length and bytes (type 2). Field numbers are onnx.proto3's.
"""

from __future__ import annotations

FLOAT, DOUBLE = 1, 11
"""onnx.TensorProto.DataType."""


def identity_graph(*, columns: int = 4, element: int = FLOAT, input_name: str = "x") -> bytes:
    """An onnx.ModelProto."""
    node = _text(1, input_name) + _text(2, "y") + _text(4, "Identity")
    tensors = _bytes(11, _value(input_name, element, columns)) + _bytes(12, _value("y", element, columns))
    graph = _bytes(1, node) + _text(2, "identity") + tensors
    opset = _number(2, 13)
    return _number(1, 8) + _bytes(7, graph) + _bytes(8, opset)


def _value(name: str, element: int, columns: int) -> bytes:
    shape = _bytes(1, _text(2, "batch")) + _bytes(1, _number(1, columns))
    tensor = _number(1, element) + _bytes(2, shape)
    return _text(1, name) + _bytes(2, _bytes(1, tensor))


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _bytes(field: int, value: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(value)) + value


def _text(field: int, value: str) -> bytes:
    return _bytes(field, value.encode())
