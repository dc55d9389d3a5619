"""What the promises on bad networks have in common: one meeting, one who sends, links that can be made bad.

The browsers and the one who sends stay for all files of this folder: starting and joining takes longer than most
promises do. Who watches joins anew in each test and finds a good link.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import wait_until
from tests.support.call import NOBODY, Call, Sender, Watcher, open_call


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.slow)


@pytest.fixture(scope="package")
def call(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Call]:
    with open_call(tmp_path_factory.mktemp("call")) as call:
        yield call


@pytest.fixture(scope="package")
def sender(call: Call) -> Sender:
    """Sends all three layers."""
    return call.sender()


@pytest.fixture
def watchers(call: Call, sender: Sender) -> Iterator[Callable[..., Watcher]]:
    """Seats somebody at link 2 or 3, who sees the sender: ``watchers(2)``. Console errors fail the test."""
    seated: list[Watcher] = []

    def seat(number: int, **context: Any) -> Watcher:
        watcher = call.watcher(number, **context)
        seated.append(watcher)
        watcher.sees("Ana")
        return watcher

    yield seat
    complaints = []
    for watcher in seated:
        watcher.expects_console(NOBODY)
        complaints += watcher.page.console_errors()
        watcher.page.close()
    wait_until(lambda: call.server.usage()["participants"] == 1, "only the sender is left", within_s=45)
    assert not complaints, complaints
