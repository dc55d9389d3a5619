"""The audit log: queries on the table ``audit``, which is only ever added to.

Owns the rows, their seals (`audit_chain`) and the event that each of them is; refuses to decide what is worth one. Ids
sort by time: the row's time in milliseconds, then chance.
"""

from __future__ import annotations

import msgspec

from appliance.events.catalogue import AuditRecorded
from appliance.events.envelope import envelop
from appliance.store import outbox
from appliance.store.audit_chain import BEGINNING, seal_of
from appliance.store.database import Conn, Row
from appliance.store.filters import Filters

_COLUMNS = "id, at_ms, actor_id, actor_name, action, outcome, target, address, request_id, detail"


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody did. ``at_ms``: milliseconds since the Unix epoch."""

    id: str
    at_ms: int
    actor_id: str | None
    """None: nobody was signed in."""
    actor_name: str
    """The name as it was then, or what was typed as a name."""
    action: str
    """As ``auth.login``, ``admin.user.ban``."""
    outcome: str
    """``ok``, or the machine code of the refusal."""
    target: str | None
    """Id of what it was done to."""
    address: str
    request_id: str
    detail: str
    """Further facts for people, may be empty."""


class SealedEntry(msgspec.Struct, frozen=True, kw_only=True):
    """An entry as it is stored and exported."""

    seq: int
    entry: AuditEntry
    seal: str

    @property
    def text(self) -> bytes:
        """What was sealed."""
        return msgspec.json.encode(self.entry)


async def insert(conn: Conn, entry: AuditEntry) -> None:
    """Add an entry, sealed with the one before it, and tell of it."""
    last = await conn.fetchrow("SELECT seq, seal FROM audit WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1")
    seq, before = (1, BEGINNING) if last is None else (last["seq"] + 1, last["seal"])
    values = [getattr(entry, name) for name in AuditEntry.__struct_fields__]
    # of two at once one fails as not serializable and runs again: see outbox
    await conn.execute(
        f"INSERT INTO audit ({_COLUMNS}, seq, seal) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)"
        " ON CONFLICT (seq) DO NOTHING",
        *values,
        seq,
        seal_of(before, seq, msgspec.json.encode(entry)),
    )
    recorded = AuditRecorded(
        audit_id=entry.id,
        action=entry.action,
        outcome=entry.outcome,
        actor_name=entry.actor_name if entry.actor_id is not None else "",
        user_id=entry.actor_id,
        target=entry.target,
    )
    await outbox.add(conn, envelop(recorded, event_id=f"evt_{entry.id}", at_ms=entry.at_ms))


async def sealed(conn: Conn, after_seq: int, limit: int) -> list[SealedEntry]:
    """At most ``limit`` sealed entries in their order, after the one with this number."""
    rows = await conn.fetch(
        f"SELECT {_COLUMNS}, seq, seal FROM audit WHERE seq > $1 ORDER BY seq LIMIT $2", after_seq, limit
    )
    return [SealedEntry(seq=row["seq"], entry=_filled(row), seal=row["seal"]) for row in rows]


async def page(
    conn: Conn, *, action: str | None, actor_id: str | None, after: tuple[int, str] | None, limit: int
) -> list[AuditEntry]:
    """At most ``limit`` entries, newest first, after the one with (at_ms, id) ``after``."""
    filters = Filters()
    filters.equal(action=action, actor_id=actor_id)
    filters.beyond("at_ms", after)
    sql = f"SELECT {_COLUMNS} FROM audit{filters.where} ORDER BY at_ms DESC, id DESC LIMIT {filters.place(limit)}"
    rows = await conn.fetch(sql, *filters.args)
    return [_filled(row) for row in rows]


def _filled(row: Row) -> AuditEntry:
    return AuditEntry(**{name: row[name] for name in AuditEntry.__struct_fields__})
