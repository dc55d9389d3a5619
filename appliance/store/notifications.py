"""What people are told: the tables ``notifications…``.

Owns the rows: messages, their deliveries, and each person's language and refusals. Refuses to decide who is told what
(`reactions`) and how a message travels (a notifier). A message is its notifier's JSON; the same cause tells the same
person the same kind of thing once.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from appliance.store.database import Conn, Row
from appliance.store.filters import Filters

Locale = Literal["en", "zh-CN"]
DeliveryState = Literal["waiting", "sent", "failed", "skipped"]


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one person. ``created_at_ms``: milliseconds since the Unix epoch."""

    id: str
    kind: str
    cause: str
    recipient: str
    user_id: str | None
    meeting_id: str | None
    url: str | None
    message: str
    created_at_ms: int


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """How a message fares with one notifier."""

    notification_id: str
    notifier: str
    state: DeliveryState
    attempts: int
    """That were made."""
    reason: str | None
    changed_at_ms: int


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """In which language and time zone somebody is told."""

    locale: Locale = "en"
    time_zone: str = "UTC"
    """IANA name."""


_KEPT = ", ".join(Kept.__struct_fields__)
_DELIVERY = ", ".join(Delivery.__struct_fields__)


async def insert(conn: Conn, kept: Kept) -> bool:
    """Whether it is new; this person was told of this cause already otherwise."""
    values = [getattr(kept, name) for name in Kept.__struct_fields__]
    places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
    sql = f"INSERT INTO notifications ({_KEPT}) VALUES ({places}) ON CONFLICT (cause, kind, recipient) DO NOTHING"
    return await conn.execute(sql, *values) == 1


async def by_id(conn: Conn, notification_id: str) -> Kept | None:
    """The message, or None."""
    row = await conn.fetchrow(f"SELECT {_KEPT} FROM notifications WHERE id = $1", notification_id)
    return None if row is None else _kept(row)


async def page(conn: Conn, user_id: str, *, after: tuple[int, str] | None, limit: int) -> list[Kept]:
    """At most ``limit`` of a person's messages, newest first, after the one with (created_at_ms, id) ``after``."""
    filters = Filters()
    filters.add("user_id = {}", user_id)
    filters.beyond("created_at_ms", after)
    sql = f"SELECT {_KEPT} FROM notifications{filters.where} ORDER BY created_at_ms DESC, id DESC"
    return [_kept(row) for row in await conn.fetch(f"{sql} LIMIT {filters.place(limit)}", *filters.args)]


async def count_since(conn: Conn, recipient: str, since_ms: int) -> int:
    """Messages that were sent to one person since then, or wait for it; of one's own account are not counted."""
    sql = (
        "SELECT COUNT(*) FROM notifications n WHERE recipient = $1 AND created_at_ms >= $2 AND kind NOT LIKE 'user.%'"
        " AND EXISTS (SELECT 1 FROM notification_deliveries d WHERE d.notification_id = n.id AND d.state <> 'skipped')"
    )
    return int(await conn.fetchval(sql, recipient, since_ms))


async def set_delivery(conn: Conn, delivery: Delivery) -> None:
    """Note how a message fares."""
    await conn.execute(
        f"INSERT INTO notification_deliveries ({_DELIVERY}) VALUES ($1, $2, $3, $4, $5, $6)"
        " ON CONFLICT (notification_id, notifier) DO UPDATE SET state = excluded.state, attempts = excluded.attempts,"
        " reason = excluded.reason, changed_at_ms = excluded.changed_at_ms",
        *(getattr(delivery, name) for name in Delivery.__struct_fields__),
    )


async def deliveries(conn: Conn, notification_id: str) -> list[Delivery]:
    """How a message fares with each notifier, by name."""
    sql = f"SELECT {_DELIVERY} FROM notification_deliveries WHERE notification_id = $1 ORDER BY notifier"
    rows = await conn.fetch(sql, notification_id)
    return [Delivery(**{name: row[name] for name in Delivery.__struct_fields__}) for row in rows]


async def profile(conn: Conn, user_id: str) -> Profile:
    """A person's language and time zone; the defaults until they say otherwise."""
    row = await conn.fetchrow("SELECT locale, time_zone FROM notification_profiles WHERE user_id = $1", user_id)
    return Profile() if row is None else Profile(locale=row["locale"], time_zone=row["time_zone"])


async def set_profile(conn: Conn, user_id: str, found: Profile) -> None:
    """Remember them."""
    await conn.execute(
        "INSERT INTO notification_profiles (user_id, locale, time_zone) VALUES ($1, $2, $3)"
        " ON CONFLICT (user_id) DO UPDATE SET locale = excluded.locale, time_zone = excluded.time_zone",
        user_id,
        found.locale,
        found.time_zone,
    )


async def refusals(conn: Conn, user_id: str) -> set[tuple[str, str]]:
    """(kind, notifier) that a person does not want."""
    rows = await conn.fetch("SELECT kind, notifier FROM notification_refusals WHERE user_id = $1", user_id)
    return {(row["kind"], row["notifier"]) for row in rows}


async def set_refusals(conn: Conn, user_id: str, wanted_not: set[tuple[str, str]]) -> None:
    """Exactly these from now on."""
    await conn.execute("DELETE FROM notification_refusals WHERE user_id = $1", user_id)
    for kind, notifier in sorted(wanted_not):
        await conn.execute(
            "INSERT INTO notification_refusals (user_id, kind, notifier) VALUES ($1, $2, $3)", user_id, kind, notifier
        )


async def forget(conn: Conn, before_ms: int, limit: int = 500) -> int:
    """Forget at most ``limit`` messages older than that; how many."""
    sql = "DELETE FROM notifications WHERE id IN (SELECT id FROM notifications WHERE created_at_ms < $1 LIMIT $2)"
    return await conn.execute(sql, before_ms, limit)


def _kept(row: Row) -> Kept:
    return Kept(**{name: row[name] for name in Kept.__struct_fields__})
