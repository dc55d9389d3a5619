"""Meetings that are said to run and do not: after a crash, or where a join that was granted never came.

Owns the look-out; refuses to know how a meeting runs.
"""

from __future__ import annotations

from collections.abc import Callable

import structlog
import trio

from appliance.events.catalogue import MeetingEnded
from appliance.events.envelope import envelop
from appliance.store import meetings, outbox
from appliance.store.database import Conn, Database, DatabaseError

_log = structlog.get_logger(__name__)


async def pause_idle_meetings(
    database: Database,
    node: str,
    running: Callable[[], frozenset[str]],
    grace_s: float,
    wall_ms: Callable[[], int],
) -> None:
    """For ever, each ``grace_s``: take meetings that have not run for so long back to being planned.

    Those of this node, where ``running`` says what runs, and those of no node; others look after theirs.
    """
    while True:
        await trio.sleep(grace_s)
        now_ms = wall_ms()
        try:
            await database.run(_pause, node, running(), now_ms - round(grace_s * 1000), now_ms)
        except DatabaseError as error:
            _log.warning("idle_meetings_unwritten", error=str(error))


async def _pause(conn: Conn, node: str, running: frozenset[str], before_ms: int, now_ms: int) -> None:
    for meeting in await meetings.pause_idle(conn, node, running, before_ms, now_ms):
        ended = MeetingEnded(
            meeting_id=meeting.id,
            title=meeting.title,
            reason="empty",
            creator_id=meeting.creator_id,
            started_at_ms=meeting.started_at_ms,
        )
        await outbox.add(conn, envelop(ended, event_id=f"evt_idle_{meeting.id}_{now_ms}", at_ms=now_ms))
