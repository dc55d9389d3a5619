"""What a worker is told survives the way there, and keeps its secret out of texts."""

from __future__ import annotations

import msgspec
import pytest

from appliance.inference.worker_config import EXIT_REASONS, WorkerConfig

CONFIG = WorkerConfig(endpoint="ipc:///x", models_folder="/m", catalogs=("/c",), secret_key="hidden", authorized=("k",))


def test_it_survives_the_way() -> None:
    assert msgspec.json.decode(msgspec.json.encode(CONFIG), type=WorkerConfig) == CONFIG
    with pytest.raises(msgspec.ValidationError, match="unknown field"):
        msgspec.json.decode(b'{"endpoint": "", "models_folder": "", "catalogs": [], "more": 1}', type=WorkerConfig)


def test_its_secret_is_in_no_text() -> None:
    assert "hidden" not in repr(CONFIG)


def test_exit_codes_are_not_those_of_signals_or_of_python() -> None:
    assert all(2 < code < 126 for code in EXIT_REASONS)
