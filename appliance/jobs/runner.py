"""The loop that takes jobs and sees them through. One task, one turn at a time; each claimed job is a task beside it.

Owns what runs now, leases, retries and the order of stopping; refuses to know tables (`ports.Queue`), clocks and chance
(arguments). A handler's failure is caught in one place, `_attempt`, and costs its own job only; a failure of the queue
is waited out here, in `_turn`. What ended meanwhile is told in the next turn that succeeds.
"""

from __future__ import annotations

import math
import traceback
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal

import msgspec
import structlog
import trio

from appliance.job_records import Claimed, Ended, JobState, Progress, Turn, Turned, Vanished
from appliance.jobs.places import JobContext, TryAgainError, WorkerDiedError, encode_result
from appliance.jobs.ports import Meter, Queue, QueueUnavailableError, Wakeups
from appliance.jobs.registry import Binding, Registry
from appliance.jobs.types import HANDICAP_MAX_MS, retry_delay_s

_log = structlog.get_logger(__name__)

# The longest sleep. On SQLite nobody hears what another process commits, as `parley jobs requeue`: it waits this long.
LOOK_EACH_S = 10.0
# A lease is renewed when two thirds of it are left, so that two turns may fail before it runs out.
_RENEWALS_IN_LEASE = 3
# Progress is written down at most this often: people look at it, nothing depends on it.
_PROGRESS_EACH_S = 2.0
# While the database is away: often enough to go on soon, seldom enough not to be the load that keeps it away.
_RETRY_S = 0.5
# Error texts are for reading; the end of a traceback says most. Notes are one line.
_ERROR_CHARACTERS = 16_000
_NOTE_CHARACTERS = 200
# A handler that asks for more rest than this may have made a mistake, and is asked again.
_LONGEST_ASKED_S = 3600.0

Stop = Literal["cancelled", "released", "lost"]
"""Why a running job was cancelled: somebody asked; the server stops; the lease had run out."""


class _Running:
    """A job that this process works on."""

    def __init__(self, job: Claimed) -> None:
        self.job = job
        self.scope = trio.CancelScope()
        self.stop: Stop | None = None
        self.progress: Progress | None = None

    def end(self, stop: Stop) -> None:
        self.stop = self.stop or stop
        self.scope.cancel()

    def report(self, share: float, note: str) -> None:
        share = min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0
        self.progress = Progress(
            job_id=self.job.id, attempt=self.job.attempt, share=share, note=_plain(note)[:_NOTE_CHARACTERS]
        )


class Runner:
    """One worker; `serve` runs it."""

    def __init__(
        self,
        queue: Queue,
        registry: Registry,
        *,
        worker: str,
        places: int,
        lease_s: float,
        now_ms: Callable[[], int],
        chance: Callable[[], float],
        meter: Meter,
        node: str | None = None,
    ) -> None:
        """``worker``: a name that no other start of a server has. ``places``: most jobs at the same time. ``node``:
        whose jobs it takes besides those for any node."""
        self._queue = queue
        self._registry = registry
        self._worker = worker
        self._places = places
        self._lease_s = lease_s
        self._now_ms = now_ms
        self._chance = chance
        self._meter = meter
        self._node = node
        self._running: dict[str, _Running] = {}
        self._ended: list[Ended] = []
        self._wake = trio.Event()
        self._draining = False
        self._releasing = False
        self._finished = trio.Event()
        self._renew_at = math.inf
        self._progress_at = 0.0
        self._count_at = -math.inf
        self._counted: dict[JobState, int] = {}
        self._turns = 0

    def statistics(self) -> dict[str, int]:
        """``running`` here, ``turns`` so far; of all servers ``queue_waiting``, ``queue_running``, ``queue_dead``."""
        counted = {f"queue_{state}": count for state, count in self._counted.items()}
        return {"running": len(self._running), "turns": self._turns, **counted}

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Work until `drain` and `release` are through."""
        try:
            async with self._queue.listen() as wakeups, trio.open_nursery() as nursery:
                nursery.start_soon(self._listen, wakeups)
                await self._begin()
                task_status.started()
                while not (self._draining and not self._running and not self._ended):
                    turned = await self._turn()
                    for job in turned.claimed:
                        self._start(job, nursery)
                    await self._tick(turned)
                    await self._count()
                    await self._sleep(turned)
                nursery.cancel_scope.cancel()
        finally:
            self._finished.set()

    async def drain(self) -> None:
        """Take nothing new and wait until what runs has ended, however long that takes: bound it, then `release`."""
        self._draining = True
        self._wake.set()
        await self._finished.wait()

    async def release(self) -> None:
        """Cancel what still runs and give it back, as if it had not begun; returns when that is written down."""
        self._draining = self._releasing = True
        for running in self._running.values():
            running.end("released")
        self._wake.set()
        await self._finished.wait()

    # --- the loop ----------------------------------------------------------------------------------------------

    async def _listen(self, wakeups: Wakeups) -> None:
        while True:
            await wakeups.wait()
            self._wake.set()

    async def _begin(self) -> None:
        while True:
            now_ms = self._now_ms()
            plans = {
                name: (str(recurring.rule), recurring.rule.next_ms(now_ms))
                for name, recurring in self._registry.schedules.items()
            }
            try:
                self._tell_vanished(await self._queue.begin(plans))
                return
            except QueueUnavailableError as error:
                await self._wait_out(error)

    async def _turn(self) -> Turned:
        """One transaction, repeated until it succeeds. Cancelled half-way one would not know what is claimed."""
        while True:
            now, now_ms = trio.current_time(), self._now_ms()
            self._wake = trio.Event()
            ended = tuple(self._ended)
            spoken = [running for running in self._running.values() if running.progress is not None]
            progress = tuple(r.progress for r in spoken if r.progress) if now >= self._progress_at else ()
            free = 0 if self._draining else self._places - len(self._running)
            asked = Turn(
                worker=self._worker,
                now_ms=now_ms,
                lease_until_ms=now_ms + int(self._lease_s * 1000),
                renew=now >= self._renew_at,
                ended=ended,
                progress=progress,
                rooms=self._registry.rooms(Counter(r.job.type for r in self._running.values()), free),
                limit=free,
                horizon_ms=now_ms + HANDICAP_MAX_MS,
                types=tuple(self._registry.bindings),
                schedules=() if self._draining else tuple(self._registry.schedules),
                node=self._node,
            )
            try:
                with trio.CancelScope(shield=True):
                    turned = await self._queue.turn(asked)
            except QueueUnavailableError as error:
                await self._wait_out(error)
                continue
            self._turns += 1
            del self._ended[: len(ended)]
            if progress:
                self._progress_at = now + _PROGRESS_EACH_S
                for running in spoken:
                    if running.progress in progress:
                        running.progress = None
            self._obey(turned)
            if asked.renew or (turned.claimed and self._renew_at == math.inf):
                self._renew_at = now + self._lease_s / _RENEWALS_IN_LEASE
            if not self._running and not turned.claimed:
                self._renew_at = math.inf
            return turned

    def _obey(self, turned: Turned) -> None:
        for job_id in turned.refused:
            _log.warning("job_ended_too_late", job=job_id, effect="its lease had run out, it is carried out again")
        for job_id, running in self._running.items():
            if job_id in turned.to_cancel:
                running.end("cancelled")
            elif turned.held is not None and job_id not in turned.held:
                running.end("lost")
        self._tell_vanished(turned.vanished)

    def _tell_vanished(self, vanished: Sequence[Vanished]) -> None:
        for job in vanished:
            self._meter.ended(job.type, "dead" if job.state == "dead" else "vanished", 0.0)
            _log.warning("job_worker_vanished", job=job.id, type=job.type, now=job.state)

    async def _tick(self, turned: Turned) -> None:
        for due in turned.due:
            recurring = self._registry.schedules[due.name]
            now_ms = self._now_ms()
            order = recurring.type.order(recurring.payload, now_ms=now_ms, key=f"{due.name} {due.at_ms}")
            try:
                await self._queue.tick(due, recurring.rule.next_ms(now_ms), order)
            except QueueUnavailableError as error:
                _log.warning("jobs_unavailable", reason=str(error))  # it stays due: the next turn tries again

    async def _count(self) -> None:
        if trio.current_time() < self._count_at:
            return
        self._count_at = trio.current_time() + LOOK_EACH_S
        try:
            self._counted = dict(await self._queue.count())
        except QueueUnavailableError as error:
            _log.warning("jobs_unavailable", reason=str(error))

    async def _sleep(self, turned: Turned) -> None:
        """Until there is something to do."""
        now = trio.current_time()
        until = min(now + LOOK_EACH_S, self._renew_at)
        if turned.next_at_ms is not None:
            until = min(until, now + max(0.0, (turned.next_at_ms - self._now_ms()) / 1000))
        if turned.due or (self._draining and not self._running):
            until = now  # orders wait, or nothing is left to wait for
        if any(running.progress is not None for running in self._running.values()):
            until = min(until, max(now, self._progress_at))
        with trio.move_on_at(until):
            await self._wake.wait()

    async def _wait_out(self, error: Exception) -> None:
        _log.warning("jobs_unavailable", reason=str(error), running=len(self._running), to_tell=len(self._ended))
        await trio.sleep(_RETRY_S)

    # --- one job -----------------------------------------------------------------------------------------------

    def _start(self, job: Claimed, nursery: trio.Nursery) -> None:
        running = _Running(job)
        self._running[job.id] = running
        if self._releasing:  # claimed by a turn that was under way
            running.end("released")
        self._meter.picked_up(job.type, max(0.0, (self._now_ms() - job.run_at_ms) / 1000))
        nursery.start_soon(self._see_through, running, name=f"job {job.type} {job.id}")

    async def _see_through(self, running: _Running) -> None:
        job = running.job
        began = trio.current_time()
        with structlog.contextvars.bound_contextvars(job=job.id, job_type=job.type):
            ended = await self._attempt(self._registry.bindings[job.type], running)
        if self._running.get(job.id) is running:  # a lost one may have come back meanwhile
            del self._running[job.id]
        if running.stop != "lost":  # it is another worker's now
            self._ended.append(ended)
        verdict = "vanished" if running.stop == "lost" else ended.verdict
        self._meter.ended(job.type, verdict, trio.current_time() - began)
        self._wake.set()

    async def _attempt(self, binding: Binding, running: _Running) -> Ended:
        """The one place where a handler's failure is caught."""
        job = running.job
        try:
            payload = msgspec.json.decode(job.payload, type=binding.type.payload)
        except msgspec.DecodeError as error:  # no attempt would read it differently
            return self._failed(binding, job, error, last=True)
        context = JobContext(
            job_id=job.id,
            key=job.idempotency_key or job.id,
            meeting_id=job.meeting_id,
            attempt=job.attempt,
            max_attempts=job.max_attempts,
            report=running.report,
        )
        result: str | None = None
        try:
            with running.scope, trio.fail_after(binding.type.deadline_s):
                result = encode_result(await binding.run(context, payload))
        except trio.TooSlowError as error:
            error.add_note(f"the deadline of {job.type} is {binding.type.deadline_s} s")
            return self._stopped(running) or self._failed(binding, job, error)
        except BaseExceptionGroup as group:
            if group.subgroup((trio.Cancelled, KeyboardInterrupt)) is not None:
                raise  # not the job's: the server ends
            return self._stopped(running) or self._failed(binding, job, group)
        except (Exception, SystemExit) as error:
            if isinstance(error, WorkerDiedError) and self._draining:
                running.stop = running.stop or "released"  # a signal to the whole group, as Ctrl-C
            return self._stopped(running) or self._failed(binding, job, error)
        if running.scope.cancelled_caught:
            stopped = self._stopped(running)
            assert stopped is not None, "only `end` cancels the scope"
            return stopped
        return Ended(job_id=job.id, attempt=job.attempt, verdict="done", result=result)

    def _stopped(self, running: _Running) -> Ended | None:
        """How an attempt ended that was told to stop, whatever it made of that; None when it was not told."""
        if running.stop is None:
            return None
        verdict: Literal["cancelled", "released"] = "cancelled" if running.stop == "cancelled" else "released"
        return Ended(job_id=running.job.id, attempt=running.job.attempt, verdict=verdict)

    def _failed(self, binding: Binding, job: Claimed, error: BaseException, *, last: bool = False) -> Ended:
        if isinstance(error, TryAgainError) and not error.counts:
            return self._postponed(binding, job, error)
        text = _plain("".join(traceback.format_exception(error)))[-_ERROR_CHARACTERS:]
        if last or job.attempt >= job.max_attempts:
            _log.error("job_dead", job=job.id, type=job.type, attempt=job.attempt, error=repr(error))
            return Ended(job_id=job.id, attempt=job.attempt, verdict="dead", error=text)
        pause_s = retry_delay_s(binding.type.retry_s, job.attempt, self._chance())
        if isinstance(error, TryAgainError) and error.after_s is not None:
            pause_s = max(pause_s, min(error.after_s, _LONGEST_ASKED_S))
        _log.warning("job_failed", job=job.id, type=job.type, attempt=job.attempt, again_in_s=round(pause_s, 1))
        run_at_ms = self._now_ms() + int(pause_s * 1000)
        return Ended(job_id=job.id, attempt=job.attempt, verdict="failed", error=text, run_at_ms=run_at_ms)

    def _postponed(self, binding: Binding, job: Claimed, error: TryAgainError) -> Ended:
        pause_s = max(binding.type.retry_s, min(error.after_s or 0.0, _LONGEST_ASKED_S)) * (0.5 + self._chance() / 2)
        _log.info("job_postponed", job=job.id, type=job.type, again_in_s=round(pause_s, 1), reason=str(error))
        return Ended(
            job_id=job.id,
            attempt=job.attempt,
            verdict="released",
            error=_plain(str(error))[-_ERROR_CHARACTERS:],
            run_at_ms=self._now_ms() + int(pause_s * 1000),
        )


def _plain(text: str) -> str:
    """Without what a database cannot store: U+0000 and halves of surrogate pairs."""
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
