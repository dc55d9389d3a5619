"""One model's thread, without a socket: batches, ranks, sessions, what is late, stopping."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from appliance.inference.messages import Answer, Done, Failure
from appliance.inference.model_thread import ModelThread, Pending
from appliance.inference.task import Request, Result, TaskError
from tests.support.inference_world import entry_text, models_folder


class Recorded:
    """A task that keeps what it was given, and waits for its gate."""

    name: ClassVar[str] = "recorded"

    def __init__(self) -> None:
        self.batches: list[list[Any]] = []
        self.gate: queue.Queue[None] = queue.Queue()

    def run(self, requests: Sequence[Request]) -> Sequence[Result | TaskError]:
        self.batches.append([request.options["n"] for request in requests])
        self.gate.get(timeout=10)
        return [Result(request.options["n"]) for request in requests]

    def close(self, session: str) -> None:
        self.batches.append([f"closed {session}"])

    def unload(self) -> None:
        self.batches.append(["unloaded"])


class Thread:
    """The thread under test and what it delivers."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.task = Recorded()
        self.said: queue.Queue[Any] = queue.Queue()
        entry = models_folder(folder, (entry_text("m", "Echo", **more),)).entry("m")
        self.thread = ModelThread(
            entry,
            lambda: (self.task, ("CPUExecutionProvider",)),
            lambda _client, message, _payload: self.said.put(message),
            idle_unload_s=0,
            pinned=False,
        )
        self.numbers = 0

    def put(self, *numbers: Any, rank: int = 1, session: str | None = None, within_s: float = 60.0) -> None:
        now_s = time.monotonic()
        pending = []
        for number in numbers:
            self.numbers += 1
            options = {"n": number} if session is None else {"n": number, "session": session}
            pending.append(Pending("client", self.numbers, rank, now_s + within_s, Request(options, b""), now_s))
        self.thread.put(pending)

    def hold(self) -> None:
        """Have the thread busy with a request of its own, so that what follows waits."""
        self.put("hold")
        while not self.task.batches:
            time.sleep(0.001)

    def go_on(self, batches: int = 1) -> None:
        for _ in range(batches):
            self.task.gate.put(None)

    def hear(self, count: int = 1) -> list[Any]:
        return [self.said.get(timeout=10) for _ in range(count)]


@contextmanager
def threaded(folder: Path, **more: Any) -> Iterator[Thread]:
    one = Thread(folder, **more)
    try:
        yield one
    finally:
        one.go_on(10)
        one.thread.stop()
        assert one.thread.join(10)


def test_what_waits_becomes_a_batch(tmp_path: Path) -> None:
    with threaded(tmp_path, max_batch=4) as one:
        one.hold()
        one.put(1, 2, 3, 4, 5)
        one.go_on(3)
        said = one.hear(6)
        assert one.task.batches == [["hold"], [1, 2, 3, 4], [5]]
        assert all(isinstance(message, Answer) for message in said)
        assert [msgspec.msgpack.decode(message.values) for message in said] == ["hold", 1, 2, 3, 4, 5]
        assert said[1].batch == 4 and said[1].run_ms >= 0 and said[1].queued_ms > 0
        state = one.thread.state()
        assert (state.answered, state.batches, state.queued, state.loaded) == (6, 3, 0, True)


def test_without_a_batch_axis_there_is_one_at_a_time(tmp_path: Path) -> None:
    with threaded(tmp_path) as one:
        one.hold()
        one.put(1, 2)
        one.go_on(3)
        one.hear(3)
        assert one.task.batches == [["hold"], [1], [2]]


def test_the_first_of_a_batch_waits_for_others(tmp_path: Path) -> None:
    with threaded(tmp_path, max_batch=4, batch_wait_ms=500) as one:
        one.put(1)
        time.sleep(0.02)
        one.put(2, 3, 4)
        one.go_on()
        one.hear(4)
        assert one.task.batches == [[1, 2, 3, 4]], "and a full one goes at once"


def test_rank_decides_and_order_within_it(tmp_path: Path) -> None:
    with threaded(tmp_path) as one:
        one.hold()
        one.put("later", rank=5)
        one.put("first", "second", rank=1)
        one.go_on(4)
        one.hear(4)
        assert one.task.batches == [["hold"], ["first"], ["second"], ["later"]]


def test_a_batch_has_one_of_a_session_and_closing_waits_for_it(tmp_path: Path) -> None:
    with threaded(tmp_path, max_batch=4) as one:
        one.hold()
        one.put(1, 2, session="s")
        one.put(3, session="t")
        one.thread.close_session("s")
        one.put(4, session="s")
        one.go_on(4)
        one.hear(5)
        assert one.task.batches == [["hold"], [1, 3], [2], ["closed s"], [4]]


def test_what_is_late_or_cancelled_is_not_run(tmp_path: Path) -> None:
    with threaded(tmp_path) as one:
        one.hold()
        one.put("late", within_s=-1)
        one.put("cancelled")
        one.thread.cancel("client", one.numbers)
        one.put("good")
        one.go_on(2)
        codes = [message.code if isinstance(message, Failure) else "answered" for message in one.hear(4)]
        assert sorted(codes) == ["answered", "answered", "cancelled", "expired"]
        assert one.task.batches == [["hold"], ["good"]]


def test_orders_are_answered(tmp_path: Path) -> None:
    with threaded(tmp_path) as one:
        for number, verb in enumerate(("load", "pin", "unpin", "unload"), 1):
            one.thread.order("client", number, verb)
            (done,) = one.hear()
            assert isinstance(done, Done)
            assert (done.id, done.model.loaded, done.model.pinned) == (number, verb != "unload", verb == "pin")


def test_stopping_refuses_what_waits(tmp_path: Path) -> None:
    with threaded(tmp_path) as one:
        one.hold()
        one.put(1, 2)
        one.thread.stop()
        one.go_on()
        codes = [message.code if isinstance(message, Failure) else "answered" for message in one.hear(3)]
        assert codes == ["answered", "stopping", "stopping"]


def test_a_hanging_task_shows(tmp_path: Path) -> None:
    with threaded(tmp_path, max_s=5) as one:
        assert one.thread.hangs_at_s == float("inf")
        one.hold()
        assert 0 < one.thread.hangs_at_s - time.monotonic() <= 5
        one.go_on()
        one.hear()
        assert one.thread.hangs_at_s == float("inf")


def test_a_task_hears_that_it_is_unloaded_and_once(tmp_path: Path) -> None:
    with threaded(tmp_path) as thread:
        thread.hold()
        thread.go_on()
        thread.thread.order("client", 99, "unload")
        while ["unloaded"] not in thread.task.batches:
            time.sleep(0.001)
        thread.thread.stop()
        assert thread.thread.join(5)
        assert thread.task.batches.count(["unloaded"]) == 1
    with threaded(tmp_path / "again") as thread:
        thread.hold()
        thread.go_on()
        thread.thread.stop()
        assert thread.thread.join(5)
        assert thread.task.batches[-1] == ["unloaded"]
