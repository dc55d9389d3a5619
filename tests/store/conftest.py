"""Each test of a query module runs on both engines."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where an empty database is: a folder for SQLite, a URL for PostgreSQL."""
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("postgres_url")
