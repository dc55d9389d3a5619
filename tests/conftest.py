"""Fixtures that any test may ask for. What they start lives in tests/support."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import pytest
import trio

from tests.support.postgres import Postgres, running_postgres


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A real PostgreSQL, started at the first use in a session."""
    with running_postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Postgres) -> str:
    """URL of an empty database for this test alone."""
    return postgres.new_database()


# An async test runs in trio; one that hangs fails after this, far above what any of them takes.
ASYNC_TEST_DEADLINE_S = 60.0


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Real browsers and servers share a machine with strangers: one that was starved gets two more tries.

    The summary names what was run again. Whatever fails three times is ours, and no other test is tried again.
    """
    for item in items:
        if item.get_closest_marker("e2e"):
            item.add_marker(pytest.mark.flaky(reruns=2))


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run ``async def test_…`` in trio; fixtures stay synchronous, context managers open what needs a loop."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    arguments = {name: pyfuncitem.funcargs[name] for name in pyfuncitem._fixtureinfo.argnames}

    async def bounded() -> None:
        with trio.fail_after(ASYNC_TEST_DEADLINE_S):
            await pyfuncitem.obj(**arguments)

    trio.run(bounded)
    return True
