"""Inference as the rest of the server sees it: ask a model, get its answer or a reason.

Owns the tasks that wait for answers, the deadlines and the start of the workers; the order of requests is
`scheduling`'s, a worker's life `supervisor`'s and `link`'s. While it is off, or no model is installed, nothing runs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import msgspec
import structlog
import trio
import zmq

from appliance.inference import messages as m
from appliance.inference.entries import CatalogEntry
from appliance.inference.health import InferenceHealth, ModelHealth
from appliance.inference.installed import ModelError, ModelFolder
from appliance.inference.latencies import Latencies
from appliance.inference.link import Link
from appliance.inference.replies import InferenceError, RemoteWorker, Reply
from appliance.inference.reports import health_of, models_of
from appliance.inference.scheduling import BATCHES_IN_FLIGHT, Priority, Scheduler, Verdict, Work
from appliance.inference.supervisor import Supervisor
from appliance.inference.worker_config import WorkerConfig

_log = structlog.get_logger(__name__)

_LOOK_AGAIN_S = 5.0
"""How soon a model that was brought meanwhile is found by who asks for it."""
_LOST_PAUSE_S = 1.0
"""Before a remote worker that was lost is greeted again."""
_IDLE_LOOK_S = 60.0
_NO_OPTIONS = msgspec.Raw(msgspec.msgpack.encode({}))

Meter = Callable[[str, str, float], None]
"""``meter(model, outcome, seconds)`` for each request: ``answered``, or the code of its error."""


class _Waiter:
    """Who asked."""

    __slots__ = ("failure", "model", "reply", "since_s", "task")

    def __init__(self, model: str, since_s: float) -> None:
        self.model = model
        self.since_s = since_s
        self.task: trio.lowlevel.Task | None = None
        self.reply: Reply | None = None
        self.failure: InferenceError | None = None

    def wake(self) -> None:
        task, self.task = self.task, None
        if task is not None:
            trio.lowlevel.reschedule(task)


class Inference:
    """One server's; see the package. `serve` must run for requests to be answered."""

    def __init__(
        self,
        models: ModelFolder,
        *,
        enabled: bool,
        local: Sequence[WorkerConfig],
        remote: Sequence[RemoteWorker] = (),
        limit: int = 256,
        limit_bytes: int = 128 * 1024 * 1024,
        meter: Meter = lambda _model, _outcome, _seconds: None,
    ) -> None:
        """``local``: one for each worker process. ``limit``: requests that wait, above which some are shed."""
        self.models = models
        self.enabled = enabled
        self._local = local
        self.remote = remote
        self._meter = meter
        self._latencies = Latencies()
        self._scheduler = Scheduler(limit=limit, limit_bytes=limit_bytes)
        self._ids = count(1)
        self._links: dict[str, Link] = {}
        self._installed: frozenset[str] = frozenset()
        self._looked_s = float("-inf")
        self._wanted = trio.Event()
        self._earlier = trio.Event()
        self._timer_s = float("inf")

    # --- asking -------------------------------------------------------------------------------------------------------

    async def infer(
        self,
        name: str,
        payload: bytes = b"",
        options: dict[str, Any] | None = None,
        *,
        priority: Priority = "normal",
        within_s: float = 30.0,
    ) -> Reply:
        """Ask a model by its name, or the preferred one of those that do this task.

        ``within_s`` is the request's own deadline, by which workers drop it too; a caller's cancel scope may be
        shorter. ``options["session"]`` binds requests to one worker, in their order; end it by `close_session`.
        InferenceError says why there is no answer; TypeError when ``options`` hold what msgpack cannot say.
        """
        entry = self.choose(name)
        now_s = trio.current_time()
        waiter = _Waiter(entry.name, now_s)
        session = options.get("session") if options else None
        work = Work(
            id=next(self._ids),
            model=entry.name,
            duty=entry.duty,
            priority=priority,
            deadline_s=now_s + within_s,
            options=options or {},
            payload=payload,
            session=session if isinstance(session, str) else None,
            owner=waiter,
        )
        encoded = msgspec.Raw(msgspec.msgpack.encode(options)) if options else _NO_OPTIONS
        work.options = encoded  # type: ignore[assignment]  # encoded once, here, where the caller hears what is wrong
        self._judge(self._scheduler.submit(work, now_s))
        if work.deadline_s < self._timer_s:
            self._earlier.set()
        self._send_out()
        if waiter.reply is None and waiter.failure is None:
            waiter.task = trio.lowlevel.current_task()

            def give_up(_: object) -> trio.lowlevel.Abort:
                waiter.task = None
                self._forget(work)
                return trio.lowlevel.Abort.SUCCEEDED

            await trio.lowlevel.wait_task_rescheduled(give_up)
        if waiter.failure is not None:
            self._meter(entry.name, waiter.failure.code, trio.current_time() - now_s)
            raise waiter.failure
        assert waiter.reply is not None
        self._meter(entry.name, "answered", waiter.reply.latency_ms / 1000)
        self._latencies.note(entry.name, waiter.reply.latency_ms)
        return waiter.reply

    def choose(self, name: str, *, language: str | None = None) -> CatalogEntry:
        """The model of this name, or the preferred one that is installed and does this task, and this language.

        Raises InferenceError ``ai_off``, ``model_unknown`` or ``model_not_installed``.
        """
        if not self.enabled:
            raise InferenceError("ai_off", "the AI functions are switched off: ai.enabled = false")
        catalog = self.models.catalog
        entry = catalog.get(name)
        candidates = (entry,) if entry is not None else catalog.of_task(name)
        if not candidates:
            raise InferenceError("model_unknown", f"the catalog has no model or task {name!r}")
        if language is not None:
            primary = language.partition("-")[0].lower()
            fitting = [one for one in candidates if not one.languages or primary in one.languages]
            if not fitting:
                raise InferenceError("model_not_installed", f"no model of {name} knows the language {language!r}")
            candidates = tuple(fitting)
        for one in candidates:
            if self.is_installed(one):
                return one
        hints = " or ".join(one.hint() for one in candidates)
        raise InferenceError("model_not_installed", f"no model for {name} is installed; run: {hints}")

    def is_installed(self, entry: CatalogEntry) -> bool:
        """Whether it is here, or a worker has it. Looks at the disk at most each five seconds."""
        if entry.name in self._installed or self._scheduler.can_run(entry.name):
            return True
        now_s = trio.current_time()
        if now_s - self._looked_s > _LOOK_AGAIN_S:
            self.look_again()
        return entry.name in self._installed

    def look_again(self) -> None:
        """Look which models lie in the folder; the first one starts the workers."""
        self._looked_s = trio.current_time()
        self._installed = frozenset(entry.name for entry in self.models.installed())
        if self._installed:
            self._wanted.set()

    def close_session(self, name: str, session: str) -> None:
        """Forget a session's state, after what was asked before."""
        key = self._scheduler.close_session(name, session)
        if key is not None and key in self._links:
            self._links[key].post(m.CloseSession(name, session))

    # --- models -------------------------------------------------------------------------------------------------------

    async def load(self, name: str) -> None:
        """Load it at every worker that has it, or load it anew. InferenceError says why that failed."""
        await self._order(name, lambda entry: lambda id: m.Load(id, entry.name))

    async def unload(self, name: str) -> None:
        """Free its memory until somebody asks for it; a pin is taken off."""
        await self._order(name, lambda entry: lambda id: m.Unload(id, entry.name))
        await trio.to_thread.run_sync(self.models.pin, self.choose(name), False)

    async def pin(self, name: str, pinned: bool) -> None:
        """Have it loaded for good, over restarts too, or no longer."""
        entry = self.choose(name)
        await trio.to_thread.run_sync(self.models.pin, entry, pinned)
        await self._order(name, lambda entry: lambda id: m.Pin(id, entry.name, pinned))

    async def _order(
        self, name: str, make: Callable[[CatalogEntry], Callable[[int], m.Load | m.Unload | m.Pin]]
    ) -> None:
        if self.enabled:
            self.look_again()
        entry = self.choose(name)
        await self.wait_up()
        links = [link for link in self._links.values() if any(model.name == entry.name for model in link.models)]
        if not links:
            raise InferenceError("model_unavailable", f"no worker that has {entry.name} is there")
        for link in links:
            try:
                await link.order(make(entry))
            except ModelError as error:
                raise InferenceError(error.code, str(error)) from error

    async def wait_up(self) -> None:
        """Until a worker is there; callers bound it."""
        while not any(link.state == "up" for link in self._links.values()):  # noqa: ASYNC110  # seldom, and short
            await trio.sleep(0.02)

    def health(self) -> InferenceHealth:
        """How it fares."""
        has_work = bool(self._installed or self.remote)
        return health_of(self.enabled, has_work, list(self._links.values()), self._scheduler.statistics())

    def list_models(self) -> tuple[ModelHealth, ...]:
        """All models of the catalog, in its order. Reads the disk."""
        if self.enabled:
            self.look_again()
        waiting = self._scheduler.statistics()["waiting_by_model"]
        return models_of(self.models, list(self._links.values()), waiting, self._latencies)

    def statistics(self) -> dict[str, Any]:
        """Numbers of the queue; ``workers``: by name, ``up``, ``restarts``, ``rss_bytes``, ``cpu_s``."""
        workers = {
            link.key: {
                "up": link.state == "up",
                "restarts": link.restarts,
                "rss_bytes": 0 if link.pong is None else link.pong.rss_bytes,
                "gpu_bytes": 0 if link.pong is None else link.pong.gpu_bytes or 0,
                "cpu_s": 0.0 if link.pong is None else link.pong.cpu_s,
                "gpu_unused": link.hello is not None and bool(link.hello.device.warnings),
                "models_loaded": sum(model.loaded for model in link.models),
            }
            for link in self._links.values()
        }
        return {**self._scheduler.statistics(), "workers": workers}

    # --- running ------------------------------------------------------------------------------------------------------

    async def serve(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Keep workers running, for ever; cancelled, they may finish what runs. Starts none before one is of use."""
        task_status.started()
        if not self.enabled:
            return
        self.look_again()
        if not self.remote:
            if not self._installed:
                folder = str(self.models.folder)
                _log.info("ai_no_models", folder=folder, advice="parley models pull", effect="no AI process runs")
            await self._wanted.wait()
        with zmq.Context() as context:
            async with trio.open_nursery() as nursery:
                for number, config in enumerate(self._local, 1):
                    link = Link(f"local-{number}", "local", self, context)
                    self._links[link.key] = link
                    nursery.start_soon(self._serve_local, link, config)
                for remote in self.remote:
                    link = Link(remote.endpoint, "remote", self, context, curve=remote.curve)
                    self._links[link.key] = link
                    nursery.start_soon(_serve_remote, link, remote.endpoint)
                nursery.start_soon(self._watch_deadlines)
                nursery.start_soon(self._close_idle)

    async def _serve_local(self, link: Link, config: WorkerConfig) -> None:
        await self._wanted.wait()
        await Supervisor(link, config).serve()

    async def _watch_deadlines(self) -> None:
        while True:
            self._judge(self._scheduler.expire(trio.current_time()))
            self._earlier = trio.Event()
            self._timer_s = self._scheduler.next_deadline_s()
            with trio.move_on_at(self._timer_s):
                await self._earlier.wait()

    async def _close_idle(self) -> None:
        while True:
            await trio.sleep(_IDLE_LOOK_S)
            for model, session in self._scheduler.idle_sessions(trio.current_time()):
                self.close_session(model, session)

    # --- as a link's owner --------------------------------------------------------------------------------------------

    def link_up(self, link: Link) -> None:
        """See `link.Owner`."""
        assert link.hello is not None
        caps = {}
        for model in link.models:
            entry = self.models.catalog.get(model.name)
            if entry is not None:
                caps[model.name] = BATCHES_IN_FLIGHT * entry.max_batch
        loaded = frozenset(model.name for model in link.models if model.loaded)
        self._scheduler.peer_up(link.key, credit=link.hello.credit, caps=caps, loaded=loaded)
        self._send_out()

    def link_down(self, link: Link, reason: str) -> None:
        """See `link.Owner`."""
        self._judge(self._scheduler.peer_down(link.key, trio.current_time()))
        self._send_out()

    def link_answered(self, link: Link, message: m.Answer | m.Failure, payload: bytes) -> None:
        """See `link.Owner`."""
        work = self._scheduler.answered(link.key, message.id)
        if work is not None:
            waiter = work.owner
            assert isinstance(waiter, _Waiter)
            if isinstance(message, m.Failure):
                waiter.failure = InferenceError(message.code, message.message)
            else:
                waiter.reply = Reply(
                    message.values,
                    payload,
                    work.model,
                    link.key,
                    work.epoch,
                    (trio.current_time() - waiter.since_s) * 1000,
                    message.queued_ms,
                    message.run_ms,
                    message.batch,
                )
            waiter.wake()

    def link_heard(self, link: Link) -> None:
        """See `link.Owner`."""
        self._send_out()

    # ------------------------------------------------------------------------------------------------------------------

    def _send_out(self) -> None:
        now_s = None
        for key, work in self._scheduler.assign():
            now_s = now_s or trio.current_time()
            within_ms = (work.deadline_s - now_s) * 1000
            framed = bool(work.payload)
            message = m.Infer(work.id, work.model, work.options, work.rank, within_ms, framed)
            self._links[key].post(message, work.payload)

    def _judge(self, verdicts: Sequence[Verdict]) -> None:
        for verdict in verdicts:
            waiter = verdict.work.owner
            assert isinstance(waiter, _Waiter)
            waiter.failure = InferenceError(verdict.code, verdict.message)
            if verdict.code == "overloaded":
                _log.warning("ai_request_shed", model=verdict.work.model, duty=verdict.work.duty)
            if verdict.work.peer is not None and verdict.work.peer in self._links:
                self._links[verdict.work.peer].post(m.Cancel(verdict.work.id))
            waiter.wake()

    def _forget(self, work: Work) -> None:
        key = self._scheduler.forget(work)
        if key is not None and key in self._links:
            self._links[key].post(m.Cancel(work.id))


async def _serve_remote(link: Link, endpoint: str) -> None:
    while True:
        reason = await link.live(endpoint)
        _log.warning("ai_worker_ended", worker=link.key, reason=reason, again_in_s=_LOST_PAUSE_S)
        await trio.sleep(_LOST_PAUSE_S)
