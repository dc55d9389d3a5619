"""Rows of what was found in pictures."""

from __future__ import annotations

from pathlib import Path

import msgspec

from appliance.store import meetings, vision
from appliance.store.vision import Alert, Span
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database

ALERT = Alert(
    id="alt_1",
    meeting_id="mtg_1",
    participant_id="prt_1",
    name="Ann",
    kind="face_spoof",
    score=0.91,
    model="face-spoof",
    box=(1.5, 2.0, 30.0, 40.0),
    at_ms=1000,
    has_evidence=True,
)
SPAN = Span(
    id="emo_1", meeting_id="mtg_1", participant_id="prt_1", name="Ann", label="happy", start_ms=1000, end_ms=3000
)


async def test_an_alert_and_its_frame_live_and_go_together(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(meetings.insert, rows.meeting("1", None))
        later = msgspec.structs.replace(ALERT, id="alt_2", at_ms=2000, box=None, has_evidence=False)
        assert await database.run(lambda conn: vision.insert_alert(conn, alert=ALERT, evidence=b"\xff\xd8\x00"))
        assert await database.run(lambda conn: vision.insert_alert(conn, alert=later, evidence=b""))
        assert await database.read(vision.alerts, "mtg_1", 10) == [later, ALERT]
        assert await database.read(vision.alerts, "mtg_1", 1) == [later]
        assert await database.read(vision.alert, "alt_1") == ALERT
        assert await database.read(vision.evidence, "alt_1") == b"\xff\xd8\x00"
        assert await database.read(vision.evidence, "alt_2") is None
        assert await database.run(vision.remove_alert, "alt_1") is True
        assert await database.run(vision.remove_alert, "alt_1") is False
        assert await database.read(vision.evidence, "alt_1") is None
        assert await database.read(vision.alert, "alt_1") is None


async def test_what_is_old_is_forgotten_and_a_meetings_goes_at_once(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(meetings.insert, rows.meeting("1", None))
        await database.run(lambda conn: vision.insert_alert(conn, alert=ALERT, evidence=b"x"))
        await database.run(lambda conn: vision.insert_span(conn, span=SPAN))
        assert await database.run(vision.forget, 1000) == 0
        assert await database.run(vision.forget, 1001) == 1
        assert await database.read(vision.alerts, "mtg_1", 10) == []
        assert await database.read(vision.spans, "mtg_1", 10) == [SPAN]
        await database.run(lambda conn: vision.insert_alert(conn, alert=ALERT, evidence=b"x"))
        await database.run(vision.remove_meeting, "mtg_1")
        assert await database.read(vision.alerts, "mtg_1", 10) == await database.read(vision.spans, "mtg_1", 10) == []


async def test_a_deleted_meeting_gets_no_more(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(meetings.insert, rows.meeting("1", None))
        await database.run(meetings.delete, "mtg_1", 5000)
        assert not await database.run(lambda conn: vision.insert_alert(conn, alert=ALERT, evidence=b"x"))
        assert not await database.run(lambda conn: vision.insert_span(conn, span=SPAN))
        assert await database.read(vision.alerts, "mtg_1", 10) == await database.read(vision.spans, "mtg_1", 10) == []
