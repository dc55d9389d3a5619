"""Chat lines are numbered from 1 without a gap, also when many write at once."""

from __future__ import annotations

from pathlib import Path

import trio

from appliance.store import meetings, messages
from appliance.store.database import Database
from appliance.store.messages import StoredMessage
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


async def say(database: Database, text: str, meeting_id: str = "mtg_one") -> StoredMessage:
    return await database.run(
        messages.append,
        message_id=f"msg_{meeting_id}_{text}",
        meeting_id=meeting_id,
        participant_id="p1",
        user_id=None,
        name="Ann",
        text=text,
        now_ms=5,
    )


async def test_lines_are_numbered_and_read_back(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        for ident in ("one", "two"):
            await database.run(meetings.insert, rows.meeting(ident, None))
        stored = [await say(database, text) for text in ("a", "б", "<script>")]
        assert [line.chat_seq for line in stored] == [1, 2, 3]
        assert (await say(database, "a", "mtg_two")).chat_seq == 1
        assert await database.read(messages.after, "mtg_one", 0, 10) == stored
        assert await database.read(messages.after, "mtg_one", 1, 1) == stored[1:2]
        assert await database.read(messages.newest, "mtg_one", 2) == stored[1:]
        assert await database.read(messages.newest, "mtg_none", 2) == []


async def test_writers_at_once_leave_no_gap(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(meetings.insert, rows.meeting("one", None))
        async with trio.open_nursery() as nursery:
            for n in range(12):
                nursery.start_soon(say, database, str(n))
        lines = await database.read(messages.after, "mtg_one", 0, 100)
        assert [line.chat_seq for line in lines] == list(range(1, 13))
        assert {line.text for line in lines} == {str(n) for n in range(12)}
