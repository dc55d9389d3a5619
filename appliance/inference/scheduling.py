"""Which request goes to which worker, and when; what is shed when there is too much. Pure: no clock, no socket.

Owns the queues of the server, the credit of the workers, sessions and deadlines. Each call changes it once; `assign`
then says what is to be sent. All transitions of a request are in this file::

    submit → waiting → assign → running → answered → over
               │  ↑                │
               │  └── peer_down, once, while the deadline allows
               └→ shed, expired, forgotten → over

**Credit.** A worker says how many requests it takes at once. Of those, one model gets two batches at most: one that
runs and one that waits beside it, so that a slow model never holds the credit of a quick one.

**Shedding.** More than ``limit`` requests, or ``limit_bytes`` of payload, do not wait: what people miss least goes
first (`entries.SHED_ORDER`), of that the lowest priority, of that the oldest, which is the stalest.

**Sessions.** The first request of a session picks a worker, and the others follow it. When that worker is lost so is
the session's state: the next answer has another ``epoch``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import Any, Literal

from appliance.inference.entries import SHED_ORDER, Duty

Priority = Literal["critical", "high", "normal", "low"]
PRIORITIES: tuple[Priority, ...] = ("critical", "high", "normal", "low")

MOST_ATTEMPTS = 2
"""A request that was there when two workers died is not given to a third: it may be what kills them."""
SESSION_IDLE_S = 600.0
"""A session that nobody closed is forgotten after this."""
BATCHES_IN_FLIGHT = 2

_RANKS = {
    (priority, duty): number
    for number, (priority, duty) in enumerate(
        (priority, duty) for priority in PRIORITIES for duty in reversed(SHED_ORDER)
    )
}


@dataclass(slots=True, eq=False)
class Work:
    """A request on its way."""

    id: int
    model: str
    duty: Duty
    priority: Priority
    deadline_s: float
    """On the clock of who calls."""
    options: dict[str, Any]
    payload: bytes
    session: str | None = None
    owner: object = None
    """Whoever waits, as the caller of `Scheduler` knows it."""
    attempts: int = 0
    epoch: int = 0
    """Of its session at the worker; 0 without one."""
    peer: str | None = None
    over: bool = False
    rank: int = field(init=False)
    """Smaller goes first: by priority, then by what people miss most."""

    def __post_init__(self) -> None:
        self.rank = _RANKS[self.priority, self.duty]


@dataclass(frozen=True, slots=True)
class Verdict:
    """A request that gets no answer, and why: ``overloaded``, ``expired``, ``worker_died``."""

    work: Work
    code: str
    message: str


@dataclass(slots=True)
class _Peer:
    credit: int
    caps: Mapping[str, int]
    loaded: frozenset[str]
    running: dict[int, Work] = field(default_factory=dict)
    by_model: dict[str, int] = field(default_factory=dict)

    def takes(self, model: str) -> bool:
        return len(self.running) < self.credit and self.by_model.get(model, 0) < self.caps.get(model, 0)


@dataclass(slots=True)
class _Session:
    rank: int
    seen_s: float
    peer: str | None = None
    epoch: int = 0


class Scheduler:
    """The requests of one server and the workers that it has."""

    def __init__(self, *, limit: int, limit_bytes: int) -> None:
        self._limit = limit
        self._limit_bytes = limit_bytes
        self._waiting: dict[int, Work] = {}
        self._waiting_bytes = 0
        self._queues: dict[str, list[tuple[int, int, Work]]] = {}
        self._dirty: set[str] = set()
        self._deadlines: list[tuple[float, int, Work]] = []
        self._peers: dict[str, _Peer] = {}
        self._sessions: dict[tuple[str, str], _Session] = {}
        self._shed: dict[Duty, int] = dict.fromkeys(SHED_ORDER, 0)
        self._counts = dict.fromkeys(("submitted", "answered", "expired", "repeated", "lost", "forgotten"), 0)

    # --- requests ---------------------------------------------------------------------------------------------------

    def submit(self, work: Work, now_s: float) -> list[Verdict]:
        """Take a request; whatever is shed for it, perhaps itself."""
        self._counts["submitted"] += 1
        if work.session is not None:
            session = self._sessions.setdefault((work.model, work.session), _Session(work.rank, now_s))
            session.seen_s = now_s
        self._wait(work)
        heappush(self._deadlines, (work.deadline_s, work.id, work))
        shed: list[Verdict] = []
        while self._waiting and (len(self._waiting) > self._limit or self._waiting_bytes > self._limit_bytes):
            victim = min(self._waiting.values(), key=_worth)
            self._shed[victim.duty] += 1
            self._drop(victim)
            shed.append(Verdict(victim, "overloaded", f"too many requests wait, {victim.duty} is shed"))
        return shed

    def assign(self) -> list[tuple[str, Work]]:
        """What goes where now; the most urgent first."""
        if not self._dirty:
            return []
        found: list[tuple[str, Work]] = []
        models = [model for model in self._dirty if self._queues.get(model)]
        self._dirty.clear()
        if len(models) > 1:
            models.sort(key=lambda model: self._queues[model][0][0])
        for model in models:
            self._assign_model(model, found)
        return found

    def answered(self, peer_key: str, work_id: int) -> Work | None:
        """A worker is done with a request; None when it had none of this id, or nobody waits any more."""
        peer = self._peers.get(peer_key)
        work = None if peer is None else peer.running.pop(work_id, None)
        if peer is None or work is None:
            return None
        if len(peer.running) + 1 >= peer.credit:
            self._dirty.update(model for model, queue in self._queues.items() if queue)
        peer.by_model[work.model] -= 1
        self._dirty.add(work.model)
        if work.over:
            return None
        work.over = True
        self._counts["answered"] += 1
        return work

    def forget(self, work: Work) -> str | None:
        """Nobody waits for it any more; the worker that has it, if one has."""
        if work.over:
            return None
        self._counts["forgotten"] += 1
        peer = work.peer
        self._drop(work)
        return peer

    def expire(self, now_s: float) -> list[Verdict]:
        """What came too late; sessions that nobody uses are forgotten."""
        late: list[Verdict] = []
        while self._deadlines and (self._deadlines[0][0] <= now_s or self._deadlines[0][2].over):
            _, _, work = heappop(self._deadlines)
            if not work.over:
                self._counts["expired"] += 1
                where = "while it waited for a worker" if work.peer is None else "while a worker had it"
                self._drop(work)
                late.append(Verdict(work, "expired", f"its deadline passed {where}"))
        return late

    def next_deadline_s(self) -> float:
        """When `expire` has something to do."""
        return self._deadlines[0][0] if self._deadlines else float("inf")

    # --- sessions ---------------------------------------------------------------------------------------------------

    def close_session(self, model: str, session: str) -> str | None:
        """Forget it; the worker that holds its state, if one does."""
        found = self._sessions.pop((model, session), None)
        return None if found is None else found.peer

    def idle_sessions(self, now_s: float) -> list[tuple[str, str]]:
        """Sessions that nobody used for `SESSION_IDLE_S`: model and name."""
        return [key for key, session in self._sessions.items() if now_s - session.seen_s > SESSION_IDLE_S]

    # --- workers ----------------------------------------------------------------------------------------------------

    def peer_up(self, key: str, *, credit: int, caps: Mapping[str, int], loaded: frozenset[str]) -> None:
        """A worker is there, or has other models than before. ``caps``: the models that it has, and for each how many
        requests may be there at once."""
        peer = self._peers.get(key)
        if peer is None:
            self._peers[key] = _Peer(credit, caps, loaded)
        else:
            peer.credit, peer.caps, peer.loaded = credit, caps, loaded
        self._dirty.update(caps)

    def peer_down(self, key: str, now_s: float) -> list[Verdict]:
        """A worker is lost. What it had waits again, unless it did once already; its sessions lose their state."""
        peer = self._peers.pop(key, None)
        if peer is None:
            return []
        for session in self._sessions.values():
            if session.peer == key:
                session.peer = None
        lost: list[Verdict] = []
        for work in peer.running.values():
            if work.over:
                continue
            work.peer = None
            if work.attempts >= MOST_ATTEMPTS:
                work.over = True
                self._counts["lost"] += 1
                lost.append(Verdict(work, "worker_died", f"the worker died {work.attempts} times while it had this"))
            elif work.deadline_s <= now_s:
                work.over = True
                self._counts["expired"] += 1
                lost.append(Verdict(work, "expired", "its worker died, and its deadline passed"))
            else:
                self._counts["repeated"] += 1
                self._wait(work)
        return lost

    def can_run(self, model: str) -> bool:
        """Whether a worker that is there has this model."""
        return any(model in peer.caps for peer in self._peers.values())

    def statistics(self) -> dict[str, Any]:
        """Numbers: ``waiting``, ``waiting_bytes``, ``running``, ``sessions``, ``shed`` by duty, counts."""
        return {
            "waiting": len(self._waiting),
            "waiting_bytes": self._waiting_bytes,
            "waiting_by_model": self._by_model(),
            "running": sum(len(peer.running) for peer in self._peers.values()),
            "running_by_worker": {key: len(peer.running) for key, peer in self._peers.items()},
            "sessions": len(self._sessions),
            "shed": dict(self._shed),
            **self._counts,
        }

    # ----------------------------------------------------------------------------------------------------------------

    def _by_model(self) -> dict[str, int]:
        counts: dict[str, int] = {}
        for work in self._waiting.values():
            counts[work.model] = counts.get(work.model, 0) + 1
        return counts

    def _wait(self, work: Work) -> None:
        self._waiting[work.id] = work
        self._waiting_bytes += len(work.payload)
        session = None if work.session is None else self._sessions.get((work.model, work.session))
        rank = work.rank if session is None else session.rank  # one rank for a session, or it overtakes itself
        heappush(self._queues.setdefault(work.model, []), (rank, work.id, work))
        self._dirty.add(work.model)

    def _drop(self, work: Work) -> None:
        work.over = True
        if self._waiting.pop(work.id, None) is not None:
            self._waiting_bytes -= len(work.payload)
        work.payload = b""  # its place in the heap is found later

    def _assign_model(self, model: str, found: list[tuple[str, Work]]) -> None:
        queue = self._queues[model]
        put_back: list[tuple[int, int, Work]] = []
        while queue:
            work = queue[0][2]
            if work.id not in self._waiting:
                heappop(queue)
                continue
            key = self._pick(model)
            if key is None:
                break
            session = None if work.session is None else self._sessions.get((model, work.session))
            if session is not None and session.peer is not None:
                key = session.peer
                if not self._peers[key].takes(model):
                    put_back.append(heappop(queue))
                    continue
            heappop(queue)
            self._give(key, work, session)
            found.append((key, work))
        for item in put_back:
            heappush(queue, item)

    def _give(self, key: str, work: Work, session: _Session | None) -> None:
        peer = self._peers[key]
        if session is not None:
            if session.peer is None:
                session.peer = key
                session.epoch += 1
            work.epoch = session.epoch
        del self._waiting[work.id]
        self._waiting_bytes -= len(work.payload)
        work.peer = key
        work.attempts += 1
        peer.running[work.id] = work
        peer.by_model[work.model] = peer.by_model.get(work.model, 0) + 1

    def _pick(self, model: str) -> str | None:
        """The worker with the least to do for its size, of those that have the model loaded if one of them has room."""
        able = [item for item in self._peers.items() if item[1].takes(model)]
        if len(able) == 1:
            return able[0][0]
        return min(able, key=lambda item: (model not in item[1].loaded, len(item[1].running)))[0] if able else None


def _worth(work: Work) -> tuple[int, int, int]:
    """Smaller is shed first."""
    return SHED_ORDER.index(work.duty), -PRIORITIES.index(work.priority), work.id
