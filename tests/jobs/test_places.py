"""Tasks, threads and processes: what a handler gets, what cancelling does, what a death costs."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import trio

from appliance.jobs.places import (
    NICENESS,
    JobContext,
    Processes,
    ThreadContext,
    WorkerDiedError,
    encode_result,
    in_thread,
)

pytestmark = pytest.mark.slow


def _context(said: list[tuple[float, str]]) -> JobContext:
    return JobContext(
        job_id="job_1",
        key="k",
        meeting_id=None,
        attempt=1,
        max_attempts=4,
        report=lambda share, note: said.append((share, note)),
    )


def _niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, 0)


def _add(one: int, other: int) -> int:
    return one + other


def _kill_myself() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _raise() -> None:
    raise LookupError("in the process")


def _write_pid_and_hang(path: str) -> None:
    Path(path).write_text(str(os.getpid()))
    time.sleep(60)


def _alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_a_process_computes_gives_way_and_reports_errors() -> None:
    processes, ours = Processes(1), _niceness()
    assert await processes.run(_add, 1, 2) == 3
    assert await processes.run(_niceness) == max(NICENESS, ours)
    assert _niceness() == ours
    with pytest.raises(LookupError, match="in the process") as caught:
        await processes.run(_raise)
    (note,) = caught.value.__notes__
    assert note.startswith("in the worker process:\nTraceback") and "in _raise" in note


async def test_a_killed_process_is_an_error_and_the_next_job_gets_another() -> None:
    processes = Processes(1)
    with pytest.raises(WorkerDiedError):
        await processes.run(_kill_myself)
    assert await processes.run(_add, 1, 2) == 3


async def test_a_cancelled_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    async with trio.open_nursery() as nursery:
        nursery.start_soon(Processes(1).run, _write_pid_and_hang, str(path))
        while not (path.exists() and path.read_text()):  # noqa: ASYNC110  # another process
            await trio.sleep(0.01)
        pid = int(path.read_text())
        assert _alive(pid)
        nursery.cancel_scope.cancel()
    while _alive(pid):  # noqa: ASYNC110  # the kernel's
        await trio.sleep(0.01)


SERVER = """
import sys, trio
from appliance.jobs.places import Processes
from tests.jobs.test_places import _write_pid_and_hang
trio.run(Processes(1).run, _write_pid_and_hang, sys.argv[1])
"""


async def test_a_process_does_not_outlive_a_killed_server(tmp_path: Path) -> None:
    path = tmp_path / "pid"
    root = Path(__file__).parents[2]
    server = subprocess.Popen([sys.executable, "-c", SERVER, str(path)], cwd=root, env={"PYTHONPATH": str(root)})  # noqa: ASYNC220  # starts at once
    try:
        while not (path.exists() and path.read_text()):  # noqa: ASYNC110  # another process
            await trio.sleep(0.02)
        assert _alive(int(path.read_text()))
    finally:
        server.kill()
        server.wait()
    while _alive(int(path.read_text())):  # noqa: ASYNC110  # it looks once a second
        await trio.sleep(0.02)


async def test_a_thread_reports_and_is_told_when_it_asks() -> None:
    told: list[str] = []
    said: list[tuple[float, str]] = []

    def work(context: ThreadContext, payload: str) -> str:
        context.progress(0.5, payload)
        return payload.upper()

    def long_work(context: ThreadContext, _payload: str) -> None:
        try:
            while True:
                time.sleep(0.005)
                context.check_cancelled()
        except trio.Cancelled:
            told.append("cancelled")
            raise

    assert await in_thread(work)(_context(said), "half") == "HALF"
    assert said == [(0.5, "half")]
    with trio.move_on_after(0.05):
        await in_thread(long_work)(_context(said), "")
    with trio.fail_after(5):
        while not told:  # noqa: ASYNC110  # a thread
            await trio.sleep(0.005)


def test_results_are_json() -> None:
    assert encode_result(None) is None
    assert encode_result({"a": [1]}) == '{"a":[1]}'
    with pytest.raises(TypeError):
        encode_result(object())
