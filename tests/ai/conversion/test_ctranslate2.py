"""CTranslate2's file format, written here as its makers do."""

import struct
from pathlib import Path

import numpy as np
import pytest

from appliance.ai.conversion.ctranslate2 import read_weights


def text(value: str) -> bytes:
    data = value.encode() + b"\0"
    return struct.pack("<H", len(data)) + data


def tensor(name: str, value: np.ndarray, kind: int) -> bytes:
    shape = struct.pack(f"<B{value.ndim}I", value.ndim, *value.shape)
    return text(name) + shape + struct.pack("<BI", kind, value.nbytes) + value.tobytes()


WEIGHTS = np.arange(6, dtype=np.float16).reshape(2, 3)
SCALE = np.array([2.5], np.float32)
MODEL = (
    struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, 2)
    + tensor("a/weight", WEIGHTS, 4) + tensor("a/scale", SCALE, 0)
    + struct.pack("<I", 1) + text("b/weight") + text("a/weight")
)  # fmt: skip


def test_tensors_and_aliases_are_read_from_parts(tmp_path: Path) -> None:
    parts = [tmp_path / "one", tmp_path / "two"]
    parts[0].write_bytes(MODEL[:20])
    parts[1].write_bytes(MODEL[20:])
    weights = read_weights(parts)
    assert set(weights) == {"a/weight", "a/scale", "b/weight"}
    assert np.array_equal(weights["b/weight"], WEIGHTS)
    assert weights["a/scale"][0] == 2.5


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (MODEL[:60], "cut off"),
        (b"", "cut off"),
        (struct.pack("<I", 5) + MODEL[4:], "layout 5"),
        (MODEL.replace(struct.pack("<BI", 4, 12), struct.pack("<BI", 9, 12)), "type 9 is unknown"),
    ],
)
def test_another_file_is_refused(tmp_path: Path, data: bytes, why: str) -> None:
    path = tmp_path / "model.bin"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=why):
        read_weights([path])
