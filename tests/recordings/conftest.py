"""Both engines, each with a storage, a folder of recordings and a queue."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where an empty database is: a folder for SQLite, a URL for PostgreSQL."""
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("postgres_url")
