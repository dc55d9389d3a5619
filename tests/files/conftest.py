"""A storage service per session of these tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.s3_server import S3Server, running_s3


@pytest.fixture(scope="session")
def s3() -> Iterator[S3Server]:
    """Started at the first use; tests use names of their own."""
    with running_s3() as server:
        yield server
