"""CTranslate2's ``model.bin``: named tensors. Pure.

Owns the layout, little-endian (CTranslate2, ``python/ctranslate2/specs/model_spec.py``): version, name and revision of
the specification, then for each tensor its name, rank, shape, type and bytes, then the aliases.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
VERSION = 6
"""The layout that is read; it has not changed since 2022."""


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, count: int) -> bytes:
        if self._at + count > len(self._data):
            raise ValueError(f"model.bin is cut off at byte {len(self._data)}")
        self._at += count
        return self._data[self._at - count : self._at]

    def number(self, kind: str) -> int:
        value: int = struct.unpack("<" + kind, self.take(struct.calcsize("<" + kind)))[0]
        return value

    def text(self) -> str:
        return self.take(self.number("H")).rstrip(b"\0").decode()


def read_weights(parts: Sequence[Path]) -> dict[str, NDArray[np.generic]]:
    """The tensors of a model whose file may come in several parts. ValueError when it is not one, or cut off."""
    reader = _Reader(b"".join(part.read_bytes() for part in parts))
    version = reader.number("I")
    if version != VERSION:
        raise ValueError(f"model.bin has layout {version}, not {VERSION}")
    reader.text()
    reader.number("I")
    weights: dict[str, NDArray[np.generic]] = {}
    for _ in range(reader.number("I")):
        name = reader.text()
        shape = [reader.number("I") for _ in range(reader.number("B"))]
        kind = reader.number("B")
        if kind not in _TYPES:
            raise ValueError(f"{name}: type {kind} is unknown")
        data = reader.take(reader.number("I"))
        weights[name] = np.frombuffer(data, _TYPES[kind]).reshape(shape)
    for _ in range(reader.number("I")):
        alias, name = reader.text(), reader.text()
        weights[alias] = weights[name]
    return weights
