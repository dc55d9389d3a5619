"""What is said of progress is whole, grows, and ends at one."""

from __future__ import annotations

import time
from pathlib import Path

import msgspec
import pytest

from appliance.recorder.progress import Progress, Said


def _said(path: Path) -> Said:
    return msgspec.json.decode(path.read_bytes(), type=Said)


def test_stages_have_their_shares(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now_s)
    path = tmp_path / "progress.json"
    progress = Progress(path, {"reading": 1, "video": 8, "writing": 1})
    progress.begin("reading")
    assert _said(path) == Said(0.0, "reading", None)
    progress.begin("video")
    now_s += 0.1
    progress.reach(0.2)  # too soon after the last one
    assert _said(path) == Said(0.1, "video", None)
    now_s += 9.9
    progress.reach(0.5)
    assert _said(path) == Said(0.5, "video", 10)
    now_s += 6
    progress.reach(7.0)
    assert _said(path).share == 0.9
    progress.begin("writing")
    assert _said(path).share == 0.9
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes().startswith(b'{"share":0.9,"stage":"writing","time_left_s":')
