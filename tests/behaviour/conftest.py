"""What the promises on bad networks have in common: one meeting, one who sends, links that can be made bad.

The browsers and the one who sends stay for all files of this folder: starting and joining takes longer than most
promises do. Who watches joins anew in each test and finds a good link. After a test that failed, or left somebody
behind, all of it is made anew: one browser that crashed must not fail the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.support.browser import wait_until
from tests.support.call import NOBODY, Call, Sender, Watcher, open_call

FAILED = pytest.StashKey[bool]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.e2e)
            item.add_marker(pytest.mark.slow)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Fixtures know whether their test failed."""
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


class Stage:
    """The meeting of the test before, unless it is in doubt."""

    def __init__(self, folder: Callable[[], Path]) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._playing: tuple[Call, Sender] | None = None

    def open(self) -> tuple[Call, Sender]:
        """A meeting in which somebody sends all three layers."""
        if self._playing is None:
            call = self._stack.enter_context(open_call(self._folder()))
            self._playing = (call, call.sender())
        return self._playing

    def close(self) -> None:
        """Stop the server and the browsers."""
        self._playing = None
        self._stack.close()


@pytest.fixture(scope="package")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    stage = Stage(lambda: tmp_path_factory.mktemp("call"))
    yield stage
    stage.close()


@pytest.fixture
def played(stage: Stage, request: pytest.FixtureRequest) -> Iterator[tuple[Call, Sender]]:
    try:
        call, sender = stage.open()
        yield call, sender
        _only_the_sender_is_left(call, sender)
    except BaseException:
        stage.close()
        raise
    if request.node.stash.get(FAILED, False):
        print(f"--- {call.server.log_path}\n{call.server.log()[-8000:]}")
        stage.close()


@pytest.fixture
def call(played: tuple[Call, Sender]) -> Call:
    return played[0]


@pytest.fixture
def sender(played: tuple[Call, Sender]) -> Sender:
    """Sends all three layers."""
    return played[1]


@pytest.fixture
def watchers(call: Call) -> Iterator[Callable[..., Watcher]]:
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
    assert not complaints, complaints


def _only_the_sender_is_left(call: Call, sender: Sender) -> None:
    try:
        wait_until(lambda: call.server.usage()["participants"] == 1, "only the sender is left", within_s=45)
    except AssertionError as error:
        raise AssertionError(f"{error}: {call.server.usage()}, {sender.whereabouts()}") from None
