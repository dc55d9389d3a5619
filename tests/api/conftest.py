"""A served API per test file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.api_server import ApiServer, serving, settings_for
from tests.support.postgres import Postgres


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def api(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server for the tests of a file, on each of the two databases; they use names of their own."""
    url = ""
    if request.param == "postgresql":
        postgres: Postgres = request.getfixturevalue("postgres")
        url = postgres.new_database()
    with serving(settings_for(tmp_path_factory.mktemp("api"), url)) as server:
        yield server


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """A server on SQLite, for what does not touch the database in any way of its own."""
    with serving(settings_for(tmp_path_factory.mktemp("api"))) as server:
        yield server
