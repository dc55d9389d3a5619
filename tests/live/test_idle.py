"""A meeting that a crash left running is planned again, and that is told; one that runs is left alone."""

from __future__ import annotations

from pathlib import Path

import trio

from appliance.events.envelope import Envelope
from appliance.live.idle import pause_idle_meetings
from appliance.store import meetings, outbox
from appliance.store.database import Conn
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database
from tests.support.waiting import until

NOW_MS = 10_000_000


async def _add(conn: Conn, *meeting_ids: str) -> None:
    for meeting_id in meeting_ids:
        await meetings.insert(conn, rows.meeting(meeting_id.removeprefix("mtg_"), None))
        await meetings.activate(conn, meeting_id, 5_000)


async def test_what_does_not_run_is_paused_and_told(tmp_path: Path) -> None:
    async with open_test_database(tmp_path) as database, trio.open_nursery() as nursery:
        await database.run(_add, "mtg_runs", "mtg_crashed")
        running = frozenset({"mtg_runs"})
        nursery.start_soon(pause_idle_meetings, database, "node_here", lambda: running, 0.01, lambda: NOW_MS)


        async def spread() -> list[Envelope]:
            return (await database.run(outbox.spread, {}, NOW_MS, 10)).envelopes

        (told,) = await until(spread)
        nursery.cancel_scope.cancel()
        assert (told.event.event_type, told.order, told.at_ms) == ("meeting.ended", "mtg_crashed", NOW_MS)
        for meeting_id, status in (("mtg_runs", "active"), ("mtg_crashed", "scheduled")):
            row = await database.read(meetings.find, meeting_id)
            assert row is not None and row.status == status
