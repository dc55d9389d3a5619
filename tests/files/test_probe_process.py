"""The decoders' process: its bounds, and what it says of boxes. What it finds is test_probe's."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.files import probe_process
from appliance.files.probe_process import RejectedError, check_boxes
from tests.support.uploaded import film, picture


def boxes(*sizes: int) -> io.BytesIO:
    """Empty boxes that say they are this long."""
    return io.BytesIO(b"".join(struct.pack(">I4s", size, b"free") + bytes(max(0, size - 8)) for size in sizes))


def test_boxes_fill_the_file() -> None:
    for fine in (boxes(8, 100), boxes(100, 0), io.BytesIO(film("mp4"))):
        check_boxes(fine)
        assert fine.tell() == 0
    check_boxes(io.BytesIO(struct.pack(">I4sQ", 1, b"mdat", 20) + bytes(4)))  # a size of 64 bits
    for broken in (
        io.BytesIO(boxes(100).getvalue()[:50]),
        io.BytesIO(boxes(8).getvalue() + b"\0\0"),
        boxes(7),
        io.BytesIO(struct.pack(">I4sQ", 1, b"mdat", 4)),
    ):
        with pytest.raises(RejectedError):
            check_boxes(broken)


@pytest.mark.slow
def test_it_runs_alone(tmp_path: Path) -> None:
    """Isolated, from any folder, with no module of ours."""
    program = Path(probe_process.__file__)
    (tmp_path / "picture").write_bytes(picture())
    with (tmp_path / "picture").open("rb") as source:
        command = [sys.executable, "-I", str(program), "image:PNG"]
        done = subprocess.run(command, stdin=source, cwd="/", env={}, capture_output=True, check=True)
    line, _, thumbnail = done.stdout.partition(b"\n")
    assert json.loads(line) == {"width": 640, "height": 480}
    assert thumbnail[8:12] == b"WEBP"
    assert "import appliance" not in program.read_text() and "from appliance" not in program.read_text()
