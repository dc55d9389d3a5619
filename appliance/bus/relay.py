"""Tells subscribers what the outbox holds: one task spreads events, one task each tells a subscriber.

Owns the order of telling, the deadlines, and when to try again; refuses to know SQL and what subscribers do. A
subscriber's failure, of whatever kind, is caught here and nowhere else: it is written to its delivery and tried again,
and nobody else notices. While the database is away nothing is told and nothing is lost.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import structlog
import trio

from appliance.bus.retry import pause_s
from appliance.events.envelope import Envelope

_log = structlog.get_logger(__name__)

# Events of one transaction: a few milliseconds of SQLite.
_BATCH = 64
# Deliveries that are claimed together: for so long others wait for a teller that died. Reactions of one transaction:
# one may write a hundred messages.
_CLAIMED = 8
_REACTIONS = 4
# A batch that is told one after the other is claimed for the deadlines of all, and so much for the writing.
_CLAIM_MARGIN_S = 30.0
# While the database is away, and when something is due that this program cannot read.
_RETRY_S = 1.0
# On SQLite another process, as `parley user add`, commits without waking us.
_LOOK_EACH_S = 30.0
# What a delivery remembers of an error.
_ERROR_CHARACTERS = 2000
# Somebody who asks for more rest than this may have made a mistake, and is asked again.
_LONGEST_ASKED_S = 3600.0


class Waker(Protocol):
    """Wakes after a commit that concerns us; a wake-up too many does no harm."""

    async def wait(self) -> None: ...


class Told(Protocol):
    """One delivery; `store.outbox.Delivery` is one."""

    @property
    def envelope(self) -> Envelope: ...
    @property
    def attempts(self) -> int: ...


class Spreading(Protocol):
    """`store.outbox.Spread`."""

    @property
    def events(self) -> int: ...
    @property
    def envelopes(self) -> Sequence[Envelope]: ...
    @property
    def unknown(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Failed:
    """A delivery that was not told; ``due_at_ms`` None: given up."""

    event_id: str
    error: str
    due_at_ms: int | None


@dataclass(frozen=True, slots=True)
class Refused:
    """A reaction raised, and its transaction was undone."""

    event_id: str
    attempts: int
    error: BaseException


class Outbox(Protocol):
    """The stored events, each call one transaction. OutboxAwayError while they cannot be reached."""

    async def spread(self, subscribers: Mapping[str, Collection[str]], limit: int) -> Spreading: ...
    async def claim(self, subscriber: str, for_s: float, limit: int) -> Sequence[Told]: ...
    async def react(self, subscriber: str, fn: Callable[..., Awaitable[object]], limit: int) -> int | Refused: ...
    async def settle(
        self, subscriber: str, told: Sequence[str], failed: Sequence[Failed], released: Sequence[str]
    ) -> None: ...
    async def next_due_ms(self, subscriber: str) -> int | None: ...


class OutboxAwayError(Exception):
    """The database cannot be reached now."""


class NotTriedError(Exception):
    """The subscriber is not there: that was no attempt, and what follows waits with it."""


class TryAgainError(Exception):
    """It failed, and who failed asks for a pause."""

    def __init__(self, reason: str, after_s: float | None) -> None:
        super().__init__(reason)
        self.after_s = after_s


class GiveUpError(Exception):
    """The subscriber refused the event for good: it is kept as given up, for an administrator to see."""


async def _at_once() -> None:
    """Of a subscriber that is always there."""


@dataclass(frozen=True, kw_only=True)
class Subscriber:
    """Told each event of its types at least once, in the order of each meeting."""

    name: str
    """Unique and lasting: what is owed is kept under it over restarts."""
    types: frozenset[str] | Callable[[], frozenset[str]]
    """A function, where they may change while the relay runs."""
    handle: Callable[[Envelope], Awaitable[object]]
    """Raises whatever it likes, and with meaning NotTriedError, TryAgainError and GiveUpError."""
    deadline_s: float = 30.0
    """For one event; longer is a failure."""
    wait_ready: Callable[[], Awaitable[None]] = _at_once
    """Returns when it can be told. Until then what it is owed is kept, and no attempt is counted."""


@dataclass(frozen=True, kw_only=True)
class Reaction:
    """A repository function, ``async def f(conn, envelope)``, told once: in the transaction of what it writes."""

    name: str
    types: frozenset[str]
    react: Callable[[Any, Envelope], Awaitable[object]]


@dataclass
class _Counts:
    told: int = 0
    failures: int = 0
    given_up: int = 0
    last_error: str = ""


@dataclass
class Relay:
    """Runs while `serve` does. ``tell``: the live bus; ``now_ms``: wall clock; ``uniform``: as random.uniform."""

    outbox: Outbox
    subscribers: Sequence[Subscriber | Reaction]
    tell: Callable[[Envelope], Awaitable[None]]
    now_ms: Callable[[], int]
    uniform: Callable[[float, float], float]
    _counts: dict[str, _Counts] = field(init=False)
    _spread: int = field(default=0, init=False)
    _pulse: trio.Event = field(default_factory=trio.Event, init=False)

    def __post_init__(self) -> None:
        self._counts = {subscriber.name: _Counts() for subscriber in self.subscribers}
        if len(self._counts) != len(self.subscribers):
            raise ValueError("two subscribers have the same name")

    async def serve(self, added: Waker, spread: Waker) -> None:
        """Tell for ever. ``added``: wakes when events were added; ``spread``: when another node has written
        deliveries. Cancelled, what was claimed and not told is given back."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._spread_for_ever, added)
            nursery.start_soon(self._follow_others, spread)
            for subscriber in self.subscribers:
                nursery.start_soon(self._tell_for_ever, subscriber)

    @property
    def names(self) -> frozenset[str]:
        """Of all subscribers."""
        return frozenset(self._counts)

    def statistics(self) -> dict[str, Any]:
        """Events ``spread``, and by subscriber: ``told``, ``failures``, ``given_up``, ``last_error``."""
        subscribers = {name: vars(counts) for name, counts in self._counts.items()}
        return {"spread": self._spread, "subscribers": subscribers}

    async def _spread_for_ever(self, added: Waker) -> None:
        named: set[str] = set()
        while True:
            wanted = {subscriber.name: _types(subscriber) for subscriber in self.subscribers}
            try:
                spread = await self.outbox.spread(wanted, _BATCH)
            except OutboxAwayError as error:
                _log.warning("events_wait", reason=str(error))
                await trio.sleep(_RETRY_S)
                continue
            self._spread += len(spread.envelopes)
            if set(spread.unknown) - named:  # they stay: once is enough
                named = set(spread.unknown)
                _log.error("events_unknown", events=list(spread.unknown), reason="a newer program has written them")
            if spread.events:
                self._wake_tellers()
            for envelope in spread.envelopes:
                await self.tell(envelope)
            if spread.events < _BATCH:
                with trio.move_on_after(_LOOK_EACH_S):
                    await added.wait()

    async def _follow_others(self, spread: Waker) -> None:
        while True:
            await spread.wait()
            self._wake_tellers()

    def _wake_tellers(self) -> None:
        pulse, self._pulse = self._pulse, trio.Event()
        pulse.set()

    async def _tell_for_ever(self, subscriber: Subscriber | Reaction) -> None:
        while True:
            if isinstance(subscriber, Subscriber):
                await subscriber.wait_ready()
            pulse = self._pulse  # taken before looking: what is spread meanwhile wakes it
            try:
                if isinstance(subscriber, Reaction):
                    told = await self._react(subscriber)
                else:
                    told = await self._tell_batch(subscriber)
                if told:
                    continue
                due_ms = await self.outbox.next_due_ms(subscriber.name)
            except OutboxAwayError:  # `_spread_for_ever` says so
                await trio.sleep(_RETRY_S)
                continue
            # what is due and was not given to us waits for what is not, or is another node's
            wait_s = _LOOK_EACH_S if due_ms is None else max(_RETRY_S, (due_ms - self.now_ms()) / 1000)
            with trio.move_on_after(wait_s):
                await pulse.wait()

    async def _react(self, reaction: Reaction) -> bool:
        done = await self.outbox.react(reaction.name, reaction.react, _REACTIONS)
        if isinstance(done, Refused):
            failed = self._failed(reaction.name, done.event_id, done.attempts, done.error)
            await self.outbox.settle(reaction.name, (), (failed,), ())
            return True
        self._counts[reaction.name].told += done
        return done > 0

    async def _tell_batch(self, subscriber: Subscriber) -> bool:
        claim_s = _CLAIMED * subscriber.deadline_s + _CLAIM_MARGIN_S
        claimed = await self.outbox.claim(subscriber.name, claim_s, _CLAIMED)
        told: list[str] = []
        failed: list[Failed] = []
        released = [delivery.envelope.id for delivery in claimed]
        broken: set[str] = set()
        away = False
        try:
            for delivery in claimed:
                envelope = delivery.envelope
                if envelope.order in broken:
                    continue  # in its order, after the one that failed
                error = await self._attempt(subscriber, envelope)
                if isinstance(error, NotTriedError):
                    away = True
                    break
                released.remove(envelope.id)
                if error is None:
                    told.append(envelope.id)
                else:
                    broken.add(envelope.order)
                    failed.append(self._failed(subscriber.name, envelope.id, delivery.attempts, error))
        finally:
            if claimed:
                with trio.CancelScope(shield=True):  # the database bounds its own time
                    await self.outbox.settle(subscriber.name, told, failed, released)
        self._counts[subscriber.name].told += len(told)
        if away:
            await trio.sleep(_RETRY_S)  # `wait_ready` may not know it yet
        return bool(claimed)

    async def _attempt(self, subscriber: Subscriber, envelope: Envelope) -> BaseException | None:
        try:
            with trio.fail_after(subscriber.deadline_s):
                await subscriber.handle(envelope)
        except trio.TooSlowError:
            return TimeoutError(f"it took longer than {subscriber.deadline_s:g} s")
        except Exception as error:
            return error
        return None

    def _failed(self, name: str, event_id: str, attempts_before: int, error: BaseException) -> Failed:
        counts = self._counts[name]
        counts.failures += 1
        text = f"{type(error).__name__}: {error}".replace("\x00", "")[:_ERROR_CHARACTERS]
        counts.last_error = text.encode(errors="replace").decode()  # what any database can store
        wait_s = None if isinstance(error, GiveUpError) else pause_s(attempts_before + 1, self.uniform)
        if wait_s is not None and isinstance(error, TryAgainError) and error.after_s is not None:
            wait_s = max(wait_s, min(error.after_s, _LONGEST_ASKED_S))
        due_ms = None if wait_s is None else self.now_ms() + round(wait_s * 1000)
        log = _log.warning
        if due_ms is None:
            counts.given_up += 1
            log = _log.error
        log("event_not_told", subscriber=name, event_id=event_id, attempt=attempts_before + 1, error=counts.last_error)
        return Failed(event_id, counts.last_error, due_ms)


def _types(subscriber: Subscriber | Reaction) -> frozenset[str]:
    return subscriber.types() if callable(subscriber.types) else subscriber.types
