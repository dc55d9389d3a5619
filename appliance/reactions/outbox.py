"""The outbox as the relay needs it: each call one transaction, outages told apart from everything else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from appliance.bus.relay import Failed, OutboxAwayError, Refused
from appliance.errors import UserError
from appliance.store import outbox
from appliance.store.database import Database, DatabaseError, DatabaseUnavailableError
from appliance.store.outbox import Delivery, Failure, ReactionFailedError, Spread


class StoredOutbox:
    """Fulfils `bus.relay.Outbox`."""

    def __init__(self, database: Database, now_ms: Callable[[], int]) -> None:
        self._database = database
        self._now_ms = now_ms

    async def spread(self, subscribers: Mapping[str, Collection[str]], limit: int) -> Spread:
        """See `outbox.spread`."""
        with _outages():
            return await self._database.run(outbox.spread, subscribers, self._now_ms(), limit)

    async def claim(self, subscriber: str, for_s: float, limit: int) -> Sequence[Delivery]:
        """See `outbox.claim`."""
        now_ms = self._now_ms()
        with _outages():
            return await self._database.run(outbox.claim, subscriber, now_ms, now_ms + round(for_s * 1000), limit)

    async def react(self, subscriber: str, fn: Callable[..., Awaitable[object]], limit: int) -> int | Refused:
        """See `outbox.react`."""
        with _outages():
            try:
                return await self._database.run(outbox.react, subscriber, fn, self._now_ms(), limit)
            except ReactionFailedError as error:
                cause = error.__cause__ or error
                if isinstance(cause, DatabaseUnavailableError):
                    raise cause from None
                return Refused(error.event_id, error.attempts, cause)

    async def settle(
        self, subscriber: str, told: Sequence[str], failed: Sequence[Failed], released: Sequence[str]
    ) -> None:
        """See `outbox.settle`."""
        failures = [Failure(event_id=f.event_id, error=f.error, due_at_ms=f.due_at_ms) for f in failed]
        with _outages():
            await self._database.run(outbox.settle, subscriber, told, failures, released, self._now_ms())

    async def next_due_ms(self, subscriber: str) -> int | None:
        """See `outbox.next_due_ms`."""
        with _outages():
            return await self._database.read(outbox.next_due_ms, subscriber, self._now_ms())


@contextmanager
def _outages() -> Iterator[None]:
    try:
        yield
    except (DatabaseError, UserError) as error:  # whatever it is, meetings go on and events wait
        raise OutboxAwayError(str(error)) from error
