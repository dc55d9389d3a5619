"""The outbox: events in the transaction of the change that they tell of, and who is still to be told of them.

Owns the tables ``events`` and ``deliveries``; refuses to know what is done with an event and when to try again. An
event becomes one delivery for each subscriber that wants it (`spread`); a delivery is gone once told, so what fails for
one subscriber is tried again for that one alone. Order: events with the same order key (a meeting) are given to a
subscriber one after the other; one that has been given up stands in nobody's way.

A newer program, beside this one or before a downgrade, leaves events that this one does not know. Those of an unknown
type stay as they are, for who knows them, and stand in nobody's way; one of a known type that cannot be read is given
up, visibly, and can be sent again after an upgrade. Both are forgotten with their time.

Numbers count within an order key, not over all events: a counter for all would make every two transactions that tell
something conflict on PostgreSQL, and a sequence is not in the order of commits. ON CONFLICT is not about doubles that a
transaction sees, of which there are none: of two at once PostgreSQL then lets one fail as not serializable, and
it runs again, instead of by the unique index.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from appliance.events.catalogue import TYPES
from appliance.events.envelope import Envelope, UnknownEventError, decode, encode
from appliance.store.database import Conn, Row

_log = structlog.get_logger(__name__)

# Channels of `Conn.notify`: events were added; their deliveries were written.
ADDED = "events_added"
SPREAD = "events_spread"

# Ours alone, no text of anybody: the tags of `events.catalogue`.
_KNOWN = "(" + ", ".join(f"'{name}'" for name in sorted(TYPES)) + ")"
# Ids of events of unknown types that are named at a time.
_NAMED_MAX = 20

# "+ 0" keeps SQLite from walking all that is due later instead of the few of the same order.
_DUE = (
    "SELECT d.event_id, d.attempts, e.envelope FROM deliveries d JOIN events e ON e.id = d.event_id"
    " WHERE d.subscriber = $1 AND d.due_at_ms <= $2 AND d.given_up_at_ms IS NULL"
    f" AND e.type IN {_KNOWN} AND NOT EXISTS ("
    "SELECT 1 FROM deliveries b WHERE b.subscriber = d.subscriber AND b.order_key = d.order_key AND b.n < d.n"
    " AND b.given_up_at_ms IS NULL AND b.due_at_ms + 0 > $2)"
    " ORDER BY e.at_ms, d.n, d.event_id LIMIT $3"
)


class Spread(msgspec.Struct, frozen=True, kw_only=True):
    """What one call of `spread` did."""

    events: int
    """Whose deliveries it wrote."""
    envelopes: list[Envelope]
    """Those that can be read."""
    unknown: list[str]
    """Ids of some events that a newer program kept and this one does not know, or cannot read: nobody here is told."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """One event for one subscriber."""

    envelope: Envelope
    attempts: int
    """That have failed so far."""


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that was not told, and when it is tried again; None: it is given up."""

    event_id: str
    error: str
    due_at_ms: int | None


class ReactionFailedError(Exception):
    """A reaction raised: nothing of its transaction remains. ``__cause__`` says why."""

    def __init__(self, event_id: str, attempts: int) -> None:
        super().__init__(f"the reaction to {event_id} failed")
        self.event_id = event_id
        self.attempts = attempts


class GivenUp(msgspec.Struct, frozen=True, kw_only=True):
    """A delivery that failed for good."""

    event_id: str
    type: str
    topic: str
    at_ms: int
    event: Any
    """As JSON has it: maybe nothing that this program knows."""
    subscriber: str
    attempts: int
    error: str
    given_up_at_ms: int

    @property
    def cursor(self) -> tuple[int, str]:
        """What `given_up` goes on after."""
        return self.given_up_at_ms, f"{self.event_id} {self.subscriber}"


async def add(conn: Conn, *envelopes: Envelope) -> None:
    """Keep events, in their order; to be called in the transaction of the change that they tell of."""
    for envelope in envelopes:
        last = await conn.fetchrow(
            "SELECT n, at_ms FROM events WHERE order_key = $1 ORDER BY n DESC LIMIT 1", envelope.order
        )
        await conn.execute(
            "INSERT INTO events (id, topic, type, order_key, n, at_ms, envelope, spread)"
            " VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (order_key, n) DO NOTHING",
            envelope.id,
            envelope.topic,
            envelope.event.event_type,
            envelope.order,
            1 if last is None else last["n"] + 1,
            # a clock that was set back does not turn the order round
            envelope.at_ms if last is None else max(envelope.at_ms, last["at_ms"]),
            encode(envelope).decode(),
            False,
        )
    await conn.notify(ADDED)


async def spread(conn: Conn, subscribers: Mapping[str, Collection[str]], now_ms: int, limit: int) -> Spread:
    """Write the deliveries of at most ``limit`` events; returns those events in their order.

    ``subscribers``: the types of event that each wants. Who is not among them is never told of these events.
    """
    rows = await conn.fetch(
        f"SELECT id, type, order_key, n, envelope FROM events WHERE spread = $1 AND type IN {_KNOWN}"
        " ORDER BY at_ms, n, id LIMIT $2",
        False,
        limit,
    )
    left = await conn.fetch(
        f"SELECT id FROM events WHERE spread = $1 AND type NOT IN {_KNOWN} ORDER BY at_ms, n, id LIMIT $2",
        False,
        _NAMED_MAX,
    )
    envelopes: list[Envelope] = []
    unknown: list[str] = [row["id"] for row in left]
    for row in rows:
        envelope = _read(row)
        if envelope is None:
            unknown.append(row["id"])
        else:
            envelopes.append(envelope)
        for subscriber, types in subscribers.items():
            if row["type"] in types:
                await conn.execute(
                    "INSERT INTO deliveries (event_id, subscriber, order_key, n, attempts, due_at_ms)"
                    " VALUES ($1, $2, $3, $4, 0, $5) ON CONFLICT (subscriber, event_id) DO NOTHING",
                    row["id"],
                    subscriber,
                    row["order_key"],
                    row["n"],
                    now_ms,
                )
        await conn.execute("UPDATE events SET spread = $2 WHERE id = $1", row["id"], True)
    if rows:
        await conn.notify(SPREAD)
    return Spread(envelopes=envelopes, unknown=unknown, events=len(rows))


async def due(conn: Conn, subscriber: str, now_ms: int, limit: int) -> list[Delivery]:
    """At most ``limit`` deliveries that may be told now, oldest first; no claim is made. What cannot be read is given
    up."""
    found: list[Delivery] = []
    for row in await conn.fetch(_DUE, subscriber, now_ms, limit):
        try:
            found.append(Delivery(envelope=decode(row["envelope"]), attempts=row["attempts"]))
        except UnknownEventError as error:
            _log.error("event_unreadable", event_id=row["event_id"], subscriber=subscriber, error=str(error))
            await conn.execute(
                "UPDATE deliveries SET error = $3, given_up_at_ms = $4 WHERE subscriber = $1 AND event_id = $2",
                subscriber,
                row["event_id"],
                f"this version cannot read the event: {error}",
                now_ms,
            )
    return found


async def claim(conn: Conn, subscriber: str, now_ms: int, until_ms: int, limit: int) -> list[Delivery]:
    """The same, and nobody else gets them before ``until_ms``."""
    found = await due(conn, subscriber, now_ms, limit)
    for delivery in found:
        await conn.execute(
            "UPDATE deliveries SET due_at_ms = $3 WHERE subscriber = $1 AND event_id = $2",
            subscriber,
            delivery.envelope.id,
            until_ms,
        )
    return found


async def release_all(conn: Conn, now_ms: int) -> None:
    """Give back what a server that was killed had claimed: for a start of the only one that this database has.

    What has failed before keeps its pause.
    """
    await conn.execute(
        "UPDATE deliveries SET due_at_ms = $1 WHERE attempts = 0 AND due_at_ms > $1 AND given_up_at_ms IS NULL", now_ms
    )


async def react(
    conn: Conn, subscriber: str, fn: Callable[[Conn, Envelope], Awaitable[object]], now_ms: int, limit: int
) -> int:
    """Tell a repository function, in this very transaction: what it writes and that it was told are one. How many.

    ReactionFailedError when it raised.
    """
    found = await due(conn, subscriber, now_ms, limit)
    for delivery in found:
        try:
            await fn(conn, delivery.envelope)
        except Exception as error:
            raise ReactionFailedError(delivery.envelope.id, delivery.attempts) from error
    await settle(conn, subscriber, [delivery.envelope.id for delivery in found], (), (), now_ms)
    return len(found)


async def settle(
    conn: Conn, subscriber: str, told: Sequence[str], failed: Sequence[Failure], released: Sequence[str], now_ms: int
) -> None:
    """Event ids that were told, those that failed, and claimed ones that were not tried and are due again."""
    for event_id in told:
        await conn.execute("DELETE FROM deliveries WHERE subscriber = $1 AND event_id = $2", subscriber, event_id)
    for failure in failed:
        given_up = now_ms if failure.due_at_ms is None else None
        await conn.execute(
            "UPDATE deliveries SET attempts = attempts + 1, error = $3, due_at_ms = $4, given_up_at_ms = $5"
            " WHERE subscriber = $1 AND event_id = $2",
            subscriber,
            failure.event_id,
            failure.error,
            now_ms if failure.due_at_ms is None else failure.due_at_ms,
            given_up,
        )
    for event_id in released:
        await conn.execute(
            "UPDATE deliveries SET due_at_ms = $3 WHERE subscriber = $1 AND event_id = $2", subscriber, event_id, now_ms
        )


async def next_due_ms(conn: Conn, subscriber: str, now_ms: int) -> int | None:
    """When the next delivery falls due after now; None when none does. What is due already may be held back by it."""
    sql = (
        "SELECT MIN(due_at_ms) FROM deliveries WHERE subscriber = $1 AND due_at_ms > $2 AND given_up_at_ms IS NULL"
    )
    found: int | None = await conn.fetchval(sql, subscriber, now_ms)
    return found


async def given_up(conn: Conn, *, subscriber: str | None, after: tuple[int, str] | None, limit: int) -> list[GivenUp]:
    """At most ``limit`` deliveries that failed for good, newest first, after the one with the cursor ``after``."""
    conditions, args = ["d.given_up_at_ms IS NOT NULL"], list[object]()
    if subscriber is not None:
        args.append(subscriber)
        conditions.append("d.subscriber = $1")
    if after is not None:
        args.extend(after)
        time, ident = f"${len(args) - 1}", f"${len(args)}"
        earlier = f"d.given_up_at_ms = {time} AND d.event_id || ' ' || d.subscriber < {ident}"
        conditions.append(f"(d.given_up_at_ms < {time} OR ({earlier}))")
    args.append(limit)
    rows = await conn.fetch(
        "SELECT d.event_id, d.subscriber, d.attempts, d.error, d.given_up_at_ms, e.type, e.topic, e.at_ms, e.envelope"
        f" FROM deliveries d JOIN events e ON e.id = d.event_id WHERE {' AND '.join(conditions)}"
        f" ORDER BY d.given_up_at_ms DESC, d.event_id || ' ' || d.subscriber DESC LIMIT ${len(args)}",
        *args,
    )
    return [
        GivenUp(
            event_id=row["event_id"],
            type=row["type"],
            topic=row["topic"],
            at_ms=row["at_ms"],
            event=_event_of(row["envelope"]),
            subscriber=row["subscriber"],
            attempts=row["attempts"],
            error=row["error"] or "",
            given_up_at_ms=row["given_up_at_ms"],
        )
        for row in rows
    ]


async def send_again(conn: Conn, subscriber: str, event_id: str, now_ms: int) -> bool:
    """Whether there was such a delivery that had been given up; it is due now, with all its attempts."""
    changed = await conn.execute(
        "UPDATE deliveries SET given_up_at_ms = NULL, attempts = 0, due_at_ms = $3"
        " WHERE subscriber = $1 AND event_id = $2 AND given_up_at_ms IS NOT NULL",
        subscriber,
        event_id,
        now_ms,
    )
    if changed:
        await conn.notify(SPREAD)
    return changed == 1


async def forget(conn: Conn, subscribers: Collection[str], before_ms: int, limit: int = 500) -> int:
    """Forget at most ``limit`` of the oldest events before ``before_ms`` of which nobody in ``subscribers`` is still to
    be told, or that this program does not know; how many. Fewer than ``limit``: there are no more."""
    names = sorted(subscribers)
    owed = ", ".join(f"${number}" for number in range(4, len(names) + 4))
    rows = await conn.fetch(
        f"SELECT e.id FROM events e WHERE e.at_ms < $1 AND (e.type NOT IN {_KNOWN} OR (e.spread = $2 AND NOT EXISTS ("
        "SELECT 1 FROM deliveries d WHERE d.event_id = e.id AND d.given_up_at_ms IS NULL"
        f" AND d.subscriber IN ({owed or 'NULL'})))) ORDER BY e.at_ms LIMIT $3",
        before_ms,
        True,
        limit,
        *names,
    )
    for row in rows:
        await conn.execute("DELETE FROM events WHERE id = $1", row["id"])
    return len(rows)


async def statistics(conn: Conn) -> dict[str, int]:
    """``events`` kept, ``waiting`` and ``given_up`` deliveries."""
    kept = await conn.fetchval("SELECT COUNT(*) FROM events")
    waiting = await conn.fetchval("SELECT COUNT(*) FROM deliveries WHERE given_up_at_ms IS NULL")
    given = await conn.fetchval("SELECT COUNT(*) FROM deliveries WHERE given_up_at_ms IS NOT NULL")
    return {"events": int(kept), "waiting": int(waiting), "given_up": int(given)}


def _event_of(envelope: str) -> Any:
    found = msgspec.json.decode(envelope)
    return found.get("event") if isinstance(found, dict) else None


def _read(row: Row) -> Envelope | None:
    try:
        return decode(row["envelope"])
    except UnknownEventError:
        return None  # the caller tells, or leaves it to a newer program beside this one
