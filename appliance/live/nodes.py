"""This server among those on the same database: that it runs, and that another one has crashed.

Owns the beat, the judgement who is lost, and what follows for people: their joins are ended, and that is told. What it
held besides (meetings, jobs, recordings) others notice by themselves: `idle`, the queue's leases.

A node is lost when it has not counted up its beat while we have looked for ``lost_after_s`` without a break. No clocks
are compared; and while the database is away nobody counts, so every look begins anew. One that was only cut off comes
back to find itself lost: it enters anew and takes its meetings back; that its people had left was told, and stays so.

On SQLite there is one server: it holds the data folder. It looks for nobody.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from appliance.events.catalogue import MeetingUserLeft
from appliance.events.envelope import envelop
from appliance.store import meetings, nodes, outbox, participants
from appliance.store.database import Conn, Database, DatabaseError

_log = structlog.get_logger(__name__)

# Five may be late or get lost, as while a virtual machine stands still because it is moved.
_BEATS = 6
# Joins of one transaction: a crash may leave thousands.
_SLICE = 200


async def enter(
    database: Database, node: str, name: str, now_ms: Callable[[], int], *, version: str = ""
) -> None:
    """This server starts: what an earlier life of it left open is ended, and it counts as running from here on.

    ``name``: of its machine; it and ``version`` are for people.
    """
    await database.run(nodes.leave, None if _alone(database) else node)
    await end_lost_joins(database, now_ms, unheld=True)
    await database.run(nodes.enter, node, name, now_ms(), version)


async def leave(database: Database, node: str) -> None:
    """It stops, and holds nothing any more."""
    try:
        await database.run(nodes.leave, node)
    except DatabaseError as error:  # the others notice
        _log.warning("node_not_left", node=node, error=str(error))


async def watch(
    database: Database,
    node: str,
    name: str,
    running: Callable[[], frozenset[str]],
    now_ms: Callable[[], int],
    *,
    version: str = "",
    lost_after_s: float,
) -> None:
    """For ever: count up, and look who does not for so long. ``running``: ids of the meetings here."""
    if _alone(database):
        return
    seen: dict[str, tuple[int, float]] = {}  # node → its beat, and since when
    while True:
        await trio.sleep(lost_after_s / _BEATS)
        try:
            if not await database.run(nodes.beat, node, now_ms()):
                _log.error("node_was_taken_for_lost", node=node, effect="people in meetings were said to have left")
                await database.run(_come_back, node, name, running(), now_ms(), version)
            found = await database.read(nodes.beats)
            now = trio.current_time()
            seen = {other: seen[other] if seen.get(other, (-1, 0))[0] == beat else (beat, now)
                    for other, beat in found.items() if other != node}  # fmt: skip
            for other, (beat, since) in seen.items():
                if now - since >= lost_after_s and await database.run(nodes.bury, other, beat):
                    _log.error("node_lost", node=other, effect="its joins are ended, its meetings are planned again")
            await end_lost_joins(database, now_ms, unheld=False)
        except DatabaseError as error:
            _log.warning("nodes_unwatched", error=str(error))
            seen = {}


async def end_lost_joins(database: Database, now_ms: Callable[[], int], *, unheld: bool) -> int:
    """End joins of nodes that are lost, and tell of each; how many there were. ``unheld``: see `end_lost`."""
    count = 0
    while True:
        ended = await database.run(_end_slice, now_ms(), unheld)
        count += ended
        if ended < _SLICE:
            if count:
                _log.info("lost_joins_ended", joins=count)
            return count


async def _end_slice(conn: Conn, now_ms: int, unheld: bool) -> int:
    lost = await participants.end_lost(conn, "lost", now_ms, _SLICE, unheld=unheld)
    for record in lost:
        left = MeetingUserLeft(
            meeting_id=record.meeting_id,
            participant_id=record.id,
            name=record.name,
            reason="lost",
            user_id=record.user_id,
        )
        await outbox.add(conn, envelop(left, event_id=f"evt_lost_{record.id}", at_ms=now_ms))
    return len(lost)


async def _come_back(
    conn: Conn, node: str, name: str, running: frozenset[str], now_ms: int, version: str
) -> None:
    await nodes.enter(conn, node, name, now_ms, version)
    for meeting_id in sorted(running):
        await meetings.activate(conn, meeting_id, now_ms)
        await meetings.hold(conn, meeting_id, node)


def _alone(database: Database) -> bool:
    return database.dialect == "sqlite"
