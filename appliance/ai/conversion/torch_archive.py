"""PyTorch's checkpoint files: tensors by name, without PyTorch. Pure.

Owns both layouts: the zip archive of 1.6 and later, and the five pickles with raw storages behind them of before. A
pickle can do anything, so this one may only make what tensors are made of; whatever else it names becomes an inert
`_Unknown` that is never called into existence.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

_TYPES = {
    "FloatStorage": np.float32,
    "DoubleStorage": np.float64,
    "HalfStorage": np.float16,
    "LongStorage": np.int64,
    "IntStorage": np.int32,
    "ByteStorage": np.uint8,
}


class _Unknown:
    """In place of every other class: it takes whatever it is given, and does nothing."""

    def __init__(self, *arguments: object, **options: object) -> None:
        pass

    def __setstate__(self, state: object) -> None:
        pass

    def __setitem__(self, key: object, value: object) -> None:
        pass


class _Storage:
    """The numbers of tensors; of the old layout they come after the pickle."""

    def __init__(self, kind: str, key: str, numbers: NDArray[Any] | None) -> None:
        self.kind, self.key, self.numbers = kind, key, numbers


class _Tensor:
    def __init__(self, storage: _Storage, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> None:
        self._storage, self._offset, self._shape, self._strides = storage, offset, shape, strides

    def array(self) -> NDArray[Any]:
        numbers = self._storage.numbers
        if numbers is None:
            raise ValueError(f"the checkpoint has no storage {self._storage.key}")
        last = self._offset + sum((size - 1) * step for size, step in zip(self._shape, self._strides, strict=True))
        if min(self._strides, default=0) < 0 or (all(self._shape) and last >= len(numbers)):
            raise ValueError("a tensor of the checkpoint lies outside its storage")
        strides = [step * numbers.itemsize for step in self._strides]
        return np.lib.stride_tricks.as_strided(numbers[self._offset :], self._shape, strides).copy()


def _rebuild_tensor(storage: _Storage, offset: int, shape: Any, strides: Any, *_: object) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(shape), tuple(strides))


def _rebuild_parameter(tensor: _Tensor, *_: object) -> _Tensor:
    return tensor


class _Unpickler(pickle.Unpickler):
    def __init__(self, file: Any, storages: dict[str, _Storage], archive: zipfile.ZipFile | None, root: str) -> None:
        super().__init__(file)
        self._storages, self._archive, self._root = storages, archive, root

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch._utils" and name == "_rebuild_tensor_v2":
            return _rebuild_tensor
        if module == "torch._utils" and name == "_rebuild_parameter":
            return _rebuild_parameter
        if module == "torch" and name in _TYPES:
            return name
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        return _Unknown

    def persistent_load(self, pid: Any) -> _Storage:
        kind, key = cast(str, pid[1]), str(pid[2])
        if kind not in _TYPES:
            raise ValueError(f"a storage of type {kind} is unknown")
        if key not in self._storages:
            numbers = None
            if self._archive is not None:
                numbers = np.frombuffer(self._archive.read(f"{self._root}/data/{key}"), _TYPES[kind])
            self._storages[key] = _Storage(kind, key, numbers)
        return self._storages[key]


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The checkpoint's dictionary, with arrays in place of tensors. ValueError when it is not one."""
    try:
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                root = archive.namelist()[0].split("/")[0]
                loaded = _Unpickler(io.BytesIO(archive.read(f"{root}/data.pkl")), {}, archive, root).load()
        else:
            loaded = _read_legacy(path)
    except (pickle.UnpicklingError, EOFError, KeyError, IndexError, struct.error, zipfile.BadZipFile) as error:
        raise ValueError(f"{path.name}: not a PyTorch checkpoint: {error}") from None
    resolved = _resolved(loaded)
    if not isinstance(resolved, dict):
        raise ValueError(f"{path.name}: holds no dictionary")
    return resolved


def _read_legacy(path: Path) -> Any:
    storages: dict[str, _Storage] = {}
    with path.open("rb") as file:

        def load() -> Any:
            return _Unpickler(file, storages, None, "").load()

        for _ in range(3):  # magic number, protocol version, what system wrote it
            load()
        loaded = load()
        for key in load():
            storage = storages[str(key)]
            (count,) = struct.unpack("<q", file.read(8))
            kind = np.dtype(_TYPES[storage.kind])
            storage.numbers = np.frombuffer(file.read(count * kind.itemsize), kind)
    return loaded


def _resolved(value: Any) -> Any:
    if isinstance(value, _Tensor):
        return value.array()
    if isinstance(value, dict):
        return {key: _resolved(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_resolved(inner) for inner in value)
    return value
