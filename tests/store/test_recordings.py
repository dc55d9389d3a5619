"""Recordings: their life with its events, who sees them, and their end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from appliance.events.envelope import decode
from appliance.store import meetings, participants, recording_runs, recording_shares, recordings, users
from appliance.store.database import Conn, Database
from appliance.store.recordings import Outputs, Recording
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


async def get(database: Database, ident: str) -> Recording:
    found = await database.read(recordings.by_id, f"rec_{ident}")
    assert found is not None
    return found


async def told(database: Database) -> list[dict[str, Any]]:
    """Events so far, oldest first."""

    async def read(conn: Conn) -> list[str]:
        return [row["envelope"] for row in await conn.fetch("SELECT envelope FROM events ORDER BY n")]

    found = [decode(raw).event for raw in await database.read(read)]
    return [
        {
            "type": event.event_type,
            **{name: getattr(event, name) for name in event.__struct_fields__ if name != "meeting_id"},
        }
        for event in found
    ]


async def stopped(conn: Conn, ident: str, at_ms: int = 2000, **fields: Any) -> None:
    await recordings.start(conn, rows.recording(ident, "mtg_one", **fields))
    assert await recordings.stop(conn, f"rec_{ident}", reason="asked", recovered=False, now_ms=at_ms)


async def ready(conn: Conn, ident: str, at_ms: int = 2000, bytes: int = 10, **fields: Any) -> None:
    await stopped(conn, ident, at_ms, **fields)
    outputs = Outputs(
        duration_ms=1000,
        bytes=bytes,
        video_key=f"recordings/rec_{ident}.mp4",
        video_type="video/mp4",
        thumbnail_key=None,
        captions_key=None,
        tracks=(),
        chapters=(),
    )
    assert await recording_runs.announce(conn, f"rec_{ident}", 1, outputs.keys)
    assert await recording_runs.set_ready(conn, f"rec_{ident}", 1, outputs, at_ms + 1)


async def meeting(conn: Conn, **changes: Any) -> None:
    for name in ("ann", "bob", "cas", "dan", "eve"):
        await users.insert(conn, rows.user(name))
    await meetings.insert(conn, rows.meeting("one", "usr_ann", **changes))


async def test_it_runs_pauses_and_stops_once(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(meeting)
        begun = rows.recording("r", "mtg_one", started_by_id="usr_ann", started_by_name="Ann", layout="grid")
        await database.run(recordings.start, begun)
        found = await get(database, "r")
        assert {name: getattr(found, name) for name in begun.__struct_fields__} == {
            name: getattr(begun, name) for name in begun.__struct_fields__
        }
        assert (found.status, found.recovered, found.has_journals, found.run) == ("recording", False, True, 0)
        assert (found.tracks, found.chapters, found.progress, found.keys) == ((), (), None, [])
        assert not await database.run(recordings.set_paused, "rec_r", False)
        assert await database.run(recordings.set_paused, "rec_r", True)
        assert not await database.run(recordings.set_paused, "rec_r", True)
        assert (await get(database, "r")).status == "paused"
        assert [one.id for one in await database.read(recordings.open_of, "node_a")] == ["rec_r"]
        assert await database.read(recordings.open_of, "node_b") == []
        stop = {"reason": "disk full", "recovered": False, "now_ms": 5000}
        assert await database.run(recordings.stop, "rec_r", **stop)  # type: ignore[arg-type]
        assert not await database.run(recordings.stop, "rec_r", **stop)  # type: ignore[arg-type]
        assert not await database.run(recordings.set_paused, "rec_r", False)
        found = await get(database, "r")
        assert (found.status, found.stopped_at_ms, found.stop_reason, found.run) == ("processing", 5000, "disk full", 1)
        assert await database.read(recordings.open_of, "node_a") == []
        assert await told(database) == [
            {"type": "recording.started", "recording_id": "rec_r", "by_user_id": "usr_ann"},
            {"type": "recording.stopped", "recording_id": "rec_r", "reason": "disk full"},
        ]
        await database.run(users.delete, "usr_ann")
        found = await get(database, "r")
        assert (found.started_by_id, found.started_by_name) == (None, "Ann")


@pytest.mark.parametrize(
    ("reason", "recovered", "since_ms", "interrupted"),
    [
        ("server stopping", False, 1500, True),
        ("whatever", True, 1500, True),
        ("asked", False, 1500, False),
        ("server stopping", False, 2500, False),
    ],
)
async def test_the_servers_end_interrupts_and_nothing_else(
    engine: str | Path, reason: str, recovered: bool, since_ms: int, interrupted: bool
) -> None:
    async with open_test_database(engine) as database:
        await database.run(meeting)
        assert not await database.read(recordings.was_interrupted, "mtg_one", 0)
        await database.run(stopped, "old", started_at_ms=500)
        await database.run(recordings.start, rows.recording("r", "mtg_one"))
        assert not await database.read(recordings.was_interrupted, "mtg_one", 0)
        await database.run(recordings.stop, "rec_r", reason=reason, recovered=recovered, now_ms=2000)
        assert await database.read(recordings.was_interrupted, "mtg_one", since_ms) is interrupted


async def test_one_that_cannot_be_read_fails_with_a_reason(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(meeting)
        await database.run(recordings.start, rows.recording("r", "mtg_one"))
        assert await database.run(recordings.fail, "rec_r", error="no journals", now_ms=7000)
        assert not await database.run(recordings.fail, "rec_r", error="again", now_ms=8000)
        found = await get(database, "r")
        assert (found.status, found.error, found.stopped_at_ms) == ("failed", "no journals", 7000)
        assert (await told(database))[-1] == {
            "type": "recording.failed",
            "recording_id": "rec_r",
            "reason": "no journals",
        }


# Who: (role in `members`, removed?, there at the time?, invited only?), and whether they see it by recording_access.
SEEING = [
    ("usr_ann", {"hosts", "participants"}),  # planned it
    ("usr_bob", {"hosts", "participants"}),  # a cohost
    ("usr_cas", {"participants"}),  # was there
    ("usr_dan", set()),  # came when it was over
    ("usr_eve", set()),  # was there and was removed
    ("usr_nobody", set()),
]


@pytest.mark.parametrize("access", ["hosts", "participants"])
async def test_who_sees_it(engine: str | Path, access: str) -> None:
    async with open_test_database(engine) as database:
        await database.run(meeting, recording_access=access)
        await database.run(participants.set_member_role, "mtg_one", "usr_bob", "cohost")
        await database.run(stopped, "r")  # from 1000 to 2000
        for name, joined, left in (("cas", 0, 1000), ("dan", 2001, None), ("eve", 1500, 1600)):
            await database.run(
                participants.insert,
                rows.participant(
                    f"p_{name}", "mtg_one", user_id=f"usr_{name}", joined_at_ms=joined, left_at_ms=left
                ),
            )
        await database.run(participants.set_kicked, "mtg_one", "usr_eve", 1600)

        async def seen(user_id: str | None) -> list[str]:
            found = await database.read(
                recordings.page, viewer_id=user_id, meeting_id=None, after=None, limit=9
            )
            return [one.id for one in found]

        for user_id, kinds in SEEING:
            assert await database.read(recordings.may_see, "rec_r", user_id) is (access in kinds), user_id
            assert await seen(user_id) == (["rec_r"] if access in kinds else []), user_id
        assert await seen(None) == ["rec_r"]
        # who started it sees it too, unless removed
        for name in ("dan", "eve"):
            await database.run(stopped, f"of_{name}", started_by_id=f"usr_{name}", started_at_ms=5000)
        assert await seen("usr_dan") == (["rec_of_dan"])
        assert await seen("usr_eve") == []


async def test_the_list_is_paged_newest_first(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(meeting)
        await database.run(meetings.insert, rows.meeting("two", None))
        for ident, at_ms in (("a", 1000), ("b", 2000), ("c", 2000)):
            await database.run(recordings.start, rows.recording(ident, "mtg_one", started_at_ms=at_ms))
        await database.run(recordings.start, rows.recording("d", "mtg_two", started_at_ms=9000))

        async def listed(**where: Any) -> list[str]:
            wanted: dict[str, Any] = {"viewer_id": "usr_ann", "meeting_id": None, "after": None, "limit": 9, **where}
            return [one.id.removeprefix("rec_") for one in await database.read(recordings.page, **wanted)]

        assert await listed() == ["c", "b", "a"]
        assert await listed(limit=2) == ["c", "b"]
        assert await listed(after=(2000, "rec_b")) == ["a"]
        assert await listed(viewer_id=None) == ["d", "c", "b", "a"]
        assert await listed(viewer_id=None, meeting_id="mtg_two") == ["d"]
        assert await listed(meeting_id="mtg_two") == []


async def test_a_deleted_one_is_seen_by_nobody_and_goes_with_its_files(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(meeting)
        await database.run(recordings.start, rows.recording("r", "mtg_one"))
        assert not await database.run(recordings.delete, "rec_r", 3000)  # it runs
        await database.run(recordings.stop, "rec_r", reason="asked", recovered=False, now_ms=2000)
        await database.run(
            recording_shares.insert,
            "t",
            recording_id="rec_r",
            created_by=None,
            expires_at_ms=9000,
            download=True,
            now_ms=1,
        )
        assert not await database.run(recordings.purge, "rec_r")
        assert await database.run(recordings.delete, "rec_r", 3000)
        assert not await database.run(recordings.delete, "rec_r", 3000)
        assert await database.read(recordings.page, viewer_id=None, meeting_id=None, after=None, limit=9) == []
        assert await database.read(recording_shares.find, "t", 1) is None
        assert [one.id for one in await database.read(recordings.deleted, 9)] == ["rec_r"]
        assert await database.run(recordings.purge, "rec_r")
        assert await database.read(recordings.by_id, "rec_r") is None


async def test_which_are_too_old_and_which_too_many(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(meeting)
        for n, ident in enumerate("abc"):
            await database.run(ready, ident, 2000 + n, bytes=100)
        await database.run(stopped, "busy", 100)
        await database.run(recordings.start, rows.recording("on", "mtg_one"))
        assert await database.read(recordings.ended_before, 2002, 9) == ["rec_a", "rec_b"]
        assert await database.read(recordings.ended_before, 2002, 1) == ["rec_a"]
        assert await database.read(recordings.beyond, 300) == []
        assert await database.read(recordings.beyond, 299) == ["rec_a"]
        assert await database.read(recordings.beyond, 100) == ["rec_a", "rec_b"]
        assert await database.read(recordings.beyond, 1) == ["rec_a", "rec_b", "rec_c"]
        await database.run(recordings.delete, "rec_a", 3000)
        assert await database.read(recordings.beyond, 200) == []
        assert await database.read(recordings.ended_before, 2002, 9) == ["rec_b"]
