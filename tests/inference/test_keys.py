"""Our CURVE keys: drawn once, private."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
import zmq

from appliance.errors import ConfigError
from appliance.inference.keys import FILE, key_pair


def test_they_are_drawn_once_and_fit_each_other(tmp_path: Path) -> None:
    pair = key_pair(tmp_path)
    assert key_pair(tmp_path) == pair
    assert zmq.curve_public(pair.secret.encode()).decode() == pair.public
    assert stat.S_IMODE((tmp_path / FILE).stat().st_mode) == 0o600
    assert pair.secret not in repr(pair)


def test_a_file_that_others_read_or_that_is_broken_is_refused(tmp_path: Path) -> None:
    key_pair(tmp_path)
    (tmp_path / FILE).chmod(0o644)
    with pytest.raises(ConfigError, match="others may read it"):
        key_pair(tmp_path)
    (tmp_path / FILE).chmod(0o600)
    (tmp_path / FILE).write_text("short")
    with pytest.raises(ConfigError, match="does not hold two keys"):
        key_pair(tmp_path)
    (tmp_path / FILE).unlink()
    (tmp_path / FILE).mkdir()
    with pytest.raises(ConfigError):
        key_pair(tmp_path)
