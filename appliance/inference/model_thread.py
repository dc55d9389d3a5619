"""One model in the worker: its queue, its thread, its task object.

Owns the order within the model, batches, loading, warm-up and unloading; refuses to know sockets. Everything of the
task's happens in this one thread, so a task needs no locks, and a model that hangs holds up no other. What the thread
has to say it hands to ``deliver``.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import Any

import msgspec
import structlog

from appliance.inference.entries import CatalogEntry
from appliance.inference.installed import ModelError
from appliance.inference.messages import Answer, Done, Failure, ModelState, ToServer
from appliance.inference.task import Request, Result, Task, TaskError

_log = structlog.get_logger(__name__)

_RECENT_BATCHES = 50
"""Over how many the mean time goes."""
_RETRY_LOAD_S = 10.0
"""A model that could not be loaded is not tried again for so long, whoever asks: a loop would burn a core."""
_LOAD_MAX_S = 1800.0
"""TensorRT builds engines for minutes; everything else loads within seconds."""
_encoder = msgspec.msgpack.Encoder()

Deliver = Callable[[object, ToServer, bytes], None]
"""``deliver(client, message, payload)``, from the model's thread."""


@dataclass(slots=True)
class Pending:
    """A request in the queue."""

    client: object
    """Who asked."""
    id: int
    rank: int
    deadline_s: float
    """On `time.monotonic`."""
    request: Request
    arrived_s: float
    cancelled: bool = False


@dataclass(slots=True)
class _Order:
    """Load, unload or pin."""

    client: object
    id: int
    verb: str


@dataclass(slots=True)
class _Counts:
    answered: int = 0
    failed: int = 0
    batches: int = 0
    load_ms: float = 0.0
    recent_ms: list[float] = field(default_factory=list)


class ModelThread:
    """Made for a model when it is first wanted; lives until `stop`."""

    def __init__(
        self,
        entry: CatalogEntry,
        load: Callable[[], tuple[Task, tuple[str, ...]]],
        deliver: Deliver,
        *,
        idle_unload_s: float,
        pinned: bool,
    ) -> None:
        """``load`` makes the task with its model, and says what runs it. ``idle_unload_s`` 0: never."""
        self.entry = entry
        self._load = load
        self._deliver = deliver
        self._idle_unload_s = idle_unload_s
        self._pinned = pinned
        self._changed = threading.Condition()
        self._queue: list[tuple[int, int, Pending]] = []
        self._by_id: dict[tuple[object, int], Pending] = {}
        self._orders: list[_Order] = []
        self._closing: dict[str, int] = {}
        """Sessions to close, and the number of the last request that still belongs to them."""
        self._numbers = count()
        self._stopping = False
        self._task: Task | None = None
        self._providers: tuple[str, ...] = ()
        self._problem = ""
        self._refused_until_s = 0.0
        self._counts = _Counts()
        self.hangs_at_s = float("inf")
        """On `time.monotonic`: what the thread is at should have ended by then. Read by whoever watches."""
        self._thread = threading.Thread(target=self._run, name=f"model {entry.name}", daemon=True)
        self._thread.start()

    # --- from the worker's main thread --------------------------------------------------------------------------------

    def put(self, pending: Sequence[Pending]) -> None:
        """Queue requests."""
        with self._changed:
            for one in pending:
                heappush(self._queue, (one.rank, next(self._numbers), one))
                self._by_id[one.client, one.id] = one
            self._changed.notify()

    def cancel(self, client: object, id: int) -> None:
        """Nobody waits for it; it still gets a failure when its turn comes, unless it has begun."""
        with self._changed:
            found = self._by_id.get((client, id))
            if found is not None:
                found.cancelled = True

    def close_session(self, session: str) -> None:
        """Forget its state, when what is queued of it is done; what comes later begins anew under the same name."""
        with self._changed:
            self._closing[session] = next(self._numbers)
            self._changed.notify()

    def order(self, client: object, id: int, verb: str) -> None:
        """``load`` (anew, if it is loaded), ``unload``, ``pin``, ``unpin``; answered by Done or Failure."""
        with self._changed:
            self._orders.append(_Order(client, id, verb))
            self._changed.notify()

    def stop(self) -> None:
        """Finish the batch that runs; what waits fails with ``stopping``."""
        with self._changed:
            self._stopping = True
            self._changed.notify()

    def join(self, within_s: float) -> bool:
        """Whether the thread ended in time."""
        self._thread.join(within_s)
        return not self._thread.is_alive()

    def state(self) -> ModelState:
        """How it is; may be called from any thread."""
        counts = self._counts
        recent = counts.recent_ms[-_RECENT_BATCHES:]
        return ModelState(
            name=self.entry.name,
            loaded=self._task is not None,
            providers=self._providers,
            pinned=self._pinned,
            queued=len(self._by_id),
            answered=counts.answered,
            failed=counts.failed,
            batches=counts.batches,
            run_ms=sum(recent) / len(recent) if recent else 0.0,
            load_ms=counts.load_ms,
            problem=self._problem,
        )

    # --- the model's thread -------------------------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._changed:
                idle_since_s = time.monotonic()
                while not (self._queue or self._orders or self._closing or self._stopping):
                    if not self._changed.wait(self._patience_s(idle_since_s)) and self._is_idle(idle_since_s):
                        self._unload("idle")
                if self._stopping:
                    self._refuse_all()
                    break
                orders, self._orders = self._orders, []
                wait_s = self._wait_for_more_s()
                if wait_s and not orders:
                    self._changed.wait_for(self._is_full, wait_s)
                batch, dropped = self._take_batch()
                closing = self._closable() if self._closing else []
            for order in orders:
                self._obey(order)
            for one, failure in dropped:
                self._finish(one, failure)
            if batch:
                self._answer(batch)
            for session in closing:
                self._close(session)
        self._unload("the worker stops")

    def _patience_s(self, idle_since_s: float) -> float | None:
        if self._task is None or self._pinned or not self._idle_unload_s:
            return None
        return max(0.0, idle_since_s + self._idle_unload_s - time.monotonic())

    def _is_idle(self, idle_since_s: float) -> bool:
        return self._task is not None and not self._pinned and self._patience_s(idle_since_s) == 0.0

    def _wait_for_more_s(self) -> float:
        worth_it = self.entry.max_batch > 1 and self._queue and not self._is_full()
        return self.entry.batch_wait_ms / 1000 if worth_it else 0.0

    def _is_full(self) -> bool:
        return len(self._queue) >= self.entry.max_batch or self._stopping

    def _take_batch(self) -> tuple[list[Pending], list[tuple[Pending, Failure]]]:
        """The next requests, one of a session at most; and what nobody waits for. Under the lock."""
        batch: list[Pending] = []
        dropped: list[tuple[Pending, Failure]] = []
        sessions: set[str] = set()
        put_back = []
        now_s = time.monotonic()
        while self._queue and len(batch) < self.entry.max_batch:
            item = heappop(self._queue)
            one = item[2]
            session = one.request.session
            if one.cancelled:
                dropped.append((one, Failure(one.id, "cancelled", "nobody waits for it")))
            elif one.deadline_s <= now_s:
                dropped.append((one, Failure(one.id, "expired", "its deadline passed in the worker's queue")))
            elif session is not None and (session in sessions or item[1] > self._closing.get(session, item[1])):
                put_back.append(item)
            else:
                batch.append(one)
                if session is not None:
                    sessions.add(session)
        for item in put_back:
            heappush(self._queue, item)
        return batch, dropped

    def _closable(self) -> list[str]:
        """Sessions to close after this batch: those of which nothing waits. Under the lock."""
        waiting: dict[str | None, int] = {}
        for _, number, one in self._queue:
            session = one.request.session
            waiting[session] = min(number, waiting.get(session, number))
        ready = [session for session, last in self._closing.items() if waiting.get(session, last) >= last]
        for session in ready:
            del self._closing[session]
        return ready

    def _answer(self, batch: Sequence[Pending]) -> None:
        """Run a batch, loading the model first if it must be."""
        try:
            task = self._task or self._load_now()
        except ModelError as error:
            for one in batch:
                self._finish(one, Failure(one.id, error.code, str(error)))
            return
        began_s = time.monotonic()
        self.hangs_at_s = began_s + self.entry.max_s
        try:
            results = _checked(task.run([one.request for one in batch]), len(batch))
        except TaskError as error:
            results = [error] * len(batch)
        except ModelError as error:  # a graph at a server that does not answer
            results = [TaskError(error.code, str(error))] * len(batch)
        except MemoryError:
            # no traceback: it would need more of what there is none of
            results = [TaskError("out_of_memory", "the worker has no memory for this request")] * len(batch)
        except Exception as error:  # the one place where a task's own failure is caught
            _log.exception("ai_task_failed", model=self.entry.name, batch=len(batch))
            results = [TaskError("task_failed", f"{self.entry.name} failed: {type(error).__name__}")] * len(batch)
        finally:
            self.hangs_at_s = float("inf")
        run_ms = (time.monotonic() - began_s) * 1000
        self._counts.batches += 1
        self._counts.recent_ms = [*self._counts.recent_ms[1 - _RECENT_BATCHES :], run_ms]
        for one, result in zip(batch, results, strict=True):
            if isinstance(result, TaskError):
                self._finish(one, Failure(one.id, result.code, result.message))
            else:
                queued_ms = (began_s - one.arrived_s) * 1000
                self._finish(one, *_encoded(one, result, queued_ms, run_ms, len(batch), self.entry.name))

    def _finish(self, one: Pending, message: Answer | Failure, payload: bytes = b"") -> None:
        with self._changed:
            del self._by_id[one.client, one.id]
        if isinstance(message, Answer):
            self._counts.answered += 1
        else:
            self._counts.failed += 1
        self._deliver(one.client, message, payload)

    def _load_now(self) -> Task:
        if time.monotonic() < self._refused_until_s:
            raise ModelError("model_broken", self._problem)
        began_s = time.monotonic()
        self.hangs_at_s = began_s + _LOAD_MAX_S
        try:
            task, providers = self._load()
            warm_up = getattr(task, "warm_up", None)
            request = warm_up() if warm_up is not None else None
            if request is not None:
                _checked(task.run([request]), 1)
        except Exception as error:  # a task's code and ONNX Runtime may raise anything
            self._problem = str(error) if isinstance(error, ModelError) else f"{type(error).__name__}: {error}"
            self._refused_until_s = time.monotonic() + _RETRY_LOAD_S
            _log.error("ai_model_not_loaded", model=self.entry.name, reason=self._problem)
            code = error.code if isinstance(error, ModelError) else "model_broken"
            raise ModelError(code, f"{self.entry.name} cannot be loaded: {self._problem}") from error
        finally:
            self.hangs_at_s = float("inf")
        self._task, self._providers, self._problem = task, providers, ""
        self._counts.load_ms = (time.monotonic() - began_s) * 1000
        _log.info("ai_model_loaded", model=self.entry.name, ms=round(self._counts.load_ms), providers=providers)
        return task

    def _unload(self, reason: str) -> None:
        if self._task is None:
            return
        task, self._task, self._providers = self._task, None, ()
        unload: Any = getattr(task, "unload", None)
        if unload is not None:
            try:
                unload()
            except Exception:  # the one place where a task's own failure is caught
                _log.exception("ai_task_failed", model=self.entry.name, doing="unload")
        _log.info("ai_model_unloaded", model=self.entry.name, reason=reason)

    def _obey(self, order: _Order) -> None:
        try:
            if order.verb == "load":
                self._unload("loaded anew")
                self._refused_until_s = 0.0
                self._load_now()
            elif order.verb == "unload":
                self._unload("asked")
                self._pinned = False
            else:
                self._pinned = order.verb == "pin"
                if self._pinned and self._task is None:
                    self._load_now()
        except ModelError as error:
            self._deliver(order.client, Failure(order.id, error.code, str(error)), b"")
        else:
            self._deliver(order.client, Done(order.id, self.state()), b"")

    def _close(self, session: str) -> None:
        close: Any = getattr(self._task, "close", None)
        if close is None:
            return
        try:
            close(session)
        except Exception:  # the one place where a task's own failure is caught
            _log.exception("ai_task_failed", model=self.entry.name, doing="close")

    def _refuse_all(self) -> None:
        """Under the lock, which `_finish` takes again."""
        waiting = [item[2] for item in self._queue]
        self._queue.clear()
        self._by_id.clear()
        for one in waiting:
            self._deliver(one.client, Failure(one.id, "stopping", "the worker stops"), b"")


def _checked(results: Sequence[Any], count: int) -> Sequence[Result | TaskError]:
    """TypeError when a task does not keep its contract."""
    if len(results) != count:
        raise TypeError(f"{len(results)} answers for {count} requests")
    for result in results:
        if not isinstance(result, Result | TaskError):
            raise TypeError(f"{type(result).__name__} is no Result")
    return results


def _encoded(
    one: Pending, result: Result, queued_ms: float, run_ms: float, batch: int, model: str
) -> tuple[Answer | Failure, bytes]:
    """Encoded here, so that what cannot be fails this request alone."""
    try:
        values = msgspec.Raw(_encoder.encode(result.values))
        payload = bytes(result.payload)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        _log.error("ai_task_failed", model=model, reason=f"its result cannot be sent: {error}")
        return Failure(one.id, "task_failed", f"{model} failed: its result cannot be sent"), b""
    return Answer(one.id, values, queued_ms, run_ms, batch, bool(payload)), payload
