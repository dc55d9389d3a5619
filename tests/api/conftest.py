"""A served API per test file, on SQLite or PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.api_server import ApiServer, serving, settings_for


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """One server on SQLite for the tests of a file: they use names of their own."""
    with serving(settings_for(tmp_path_factory.mktemp("api"))) as server:
        yield server


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """A folder for a server of one test."""
    return tmp_path
