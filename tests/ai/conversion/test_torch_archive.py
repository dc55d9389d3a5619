"""PyTorch's checkpoints without PyTorch, and without what a pickle could do."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.ai.conversion.torch_archive import read_checkpoint

GLOBAL_TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n"


def tensor_pickle(name: str = "w", offset: int = 0, shape: str = "(I2\nI3\nt", stride: str = "(I3\nI1\nt") -> bytes:
    """{name: tensor} in pickle's own words, as torch.save writes it."""
    storage = b"(Vstorage\nctorch\nFloatStorage\nV0\nVcpu\nI6\ntQ"
    where = f"I{offset}\n{shape}{stride}I00\nN"
    return b"(dV" + name.encode() + b"\n" + GLOBAL_TENSOR + b"(" + storage + where.encode() + b"tRs."


def archive(path: Path, data: bytes, numbers: np.ndarray) -> Path:
    with zipfile.ZipFile(path, "w") as packed:
        packed.writestr("model/data.pkl", b"\x80\x02" + data)
        packed.writestr("model/data/0", numbers.tobytes())
    return path


NUMBERS = np.arange(6, dtype=np.float32)


def test_tensors_are_read(tmp_path: Path) -> None:
    found = read_checkpoint(archive(tmp_path / "a.pt", tensor_pickle(), NUMBERS))
    assert np.array_equal(found["w"], NUMBERS.reshape(2, 3))
    turned = tensor_pickle(shape="(I3\nI2\nt", stride="(I1\nI3\nt")
    assert np.array_equal(read_checkpoint(archive(tmp_path / "b.pt", turned, NUMBERS))["w"], NUMBERS.reshape(2, 3).T)


@pytest.mark.parametrize(
    "data", [tensor_pickle(offset=1), tensor_pickle(shape="(I900\nI3\nt"), tensor_pickle(stride="(I-3\nI1\nt")]
)
def test_a_tensor_that_reaches_out_of_its_storage_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ValueError, match="outside its storage"):
        read_checkpoint(archive(tmp_path / "a.pt", data, NUMBERS))


class Evil:
    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self._path),)


def test_a_pickle_can_do_nothing(tmp_path: Path) -> None:
    made = tmp_path / "made"
    path = archive(tmp_path / "evil.pt", pickle.dumps({"x": Evil(made)}, 2)[2:], NUMBERS)
    read_checkpoint(path)
    assert not made.exists()


@pytest.mark.parametrize("data", [b"", b"not a checkpoint", pickle.dumps([1, 2])])
def test_another_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.pt"
    path.write_bytes(data)
    with pytest.raises(ValueError):
        read_checkpoint(path)
