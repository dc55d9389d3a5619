"""Files are listed newest first, counted by kind, and outlive neither their row nor their owner for long."""

from __future__ import annotations

from pathlib import Path

from appliance.store import media_files, meetings, users
from appliance.store.media_files import Usage
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


async def test_files_come_back_as_they_were_written(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(users.insert, rows.user("ann"))
        await database.run(meetings.insert, rows.meeting("one", "usr_ann"))
        plain = rows.media_file("a", "usr_ann", bytes=2**40, has_thumbnail=False, width=None, height=None)
        film = rows.media_file("b", "usr_ann", kind="video", meeting_id="mtg_one", duration_ms=1500, name="<b>.mp4")
        for file in (plain, film):
            await database.run(media_files.insert, file)
            assert await database.read(media_files.by_id, file.id) == file
        assert await database.read(media_files.by_id, "med_none") is None
        assert await database.run(media_files.delete, "med_a") is True
        assert await database.run(media_files.delete, "med_a") is False


async def test_pages_are_of_somebody_or_of_a_meeting(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        for name in ("ann", "bob"):
            await database.run(users.insert, rows.user(name))
        await database.run(meetings.insert, rows.meeting("one", "usr_ann"))
        for number in range(5):
            owner = "usr_ann" if number % 2 == 0 else "usr_bob"
            file = rows.media_file(str(number), owner, created_at_ms=1000 + number // 2, meeting_id="mtg_one")
            await database.run(media_files.insert, file)
        await database.run(media_files.insert, rows.media_file("doc", "usr_ann", kind="document", created_at_ms=5))

        async def ids(**wanted: object) -> list[str]:
            given = {"after": None, "limit": 9, **wanted}
            return [file.id for file in await database.read(media_files.page, **given)]  # type: ignore[arg-type]

        assert await ids(meeting_id="mtg_one") == ["med_4", "med_3", "med_2", "med_1", "med_0"]
        assert await ids(meeting_id="mtg_one", after=(1001, "med_3"), limit=2) == ["med_2", "med_1"]
        assert await ids(user_id="usr_ann") == ["med_4", "med_2", "med_0", "med_doc"]
        assert await ids(user_id="usr_ann", kind="document") == ["med_doc"]
        assert await ids(user_id="usr_none") == []


async def test_usage_is_by_kind(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(users.insert, rows.user("ann"))
        assert await database.read(media_files.usage, "usr_ann") == {}
        for ident, kind, size in (("a", "image", 10), ("b", "image", 2**40), ("c", "other", 0)):
            await database.run(media_files.insert, rows.media_file(ident, "usr_ann", kind=kind, bytes=size))
        assert await database.read(media_files.usage, "usr_ann") == {
            "image": Usage(2, 2**40 + 10),
            "other": Usage(1, 0),
        }


async def test_files_of_deleted_accounts_are_found(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        for name in ("ann", "bob"):
            await database.run(users.insert, rows.user(name))
            await database.run(media_files.insert, rows.media_file(name, f"usr_{name}"))
        assert await database.read(media_files.of_nobody, 9) == []
        await database.run(users.delete, "usr_ann")
        assert [file.id for file in await database.read(media_files.of_nobody, 9)] == ["med_ann"]
        assert await database.read(media_files.page, after=None, limit=9) == [rows.media_file("bob", "usr_bob")]
