"""Uploads count with what they announce, and expire."""

from __future__ import annotations

from pathlib import Path

import msgspec

from appliance.store import media_uploads, users
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


async def test_uploads_come_back_and_are_prolonged(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(users.insert, rows.user("ann"))
        upload = rows.media_upload("a", "usr_ann", length=2**40, metadata="filename YQ==")
        await database.run(media_uploads.insert, upload)
        assert await database.read(media_uploads.by_id, "med_a") == upload
        assert await database.read(media_uploads.by_id, "med_b") is None
        assert await database.read(media_uploads.known, ["med_a", "med_b"]) == {"med_a"}
        await database.run(media_uploads.touch, "med_a", 9500, checking_from=50)
        checking = await database.read(media_uploads.by_id, "med_a")
        assert checking == msgspec.structs.replace(upload, expires_at_ms=9500, checking_from=50)
        await database.run(media_uploads.touch, "med_a", 9999)
        prolonged = await database.read(media_uploads.by_id, "med_a")
        assert prolonged == msgspec.structs.replace(upload, expires_at_ms=9999)
        assert await database.run(media_uploads.delete, "med_a") is True
        assert await database.run(media_uploads.delete, "med_a") is False


async def test_announced_bytes_are_summed(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(users.insert, rows.user("ann"))
        assert await database.read(media_uploads.announced, "usr_ann") == (0, 0)
        for ident, length in (("a", 10), ("b", 2**40)):
            await database.run(media_uploads.insert, rows.media_upload(ident, "usr_ann", length=length))
        assert await database.read(media_uploads.announced, "usr_ann") == (2, 2**40 + 10)
        assert await database.read(media_uploads.announced, "usr_ann", besides="med_b") == (1, 10)


async def test_what_expired_or_belongs_to_nobody_is_over(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        for name in ("ann", "bob"):
            await database.run(users.insert, rows.user(name))
        for ident, owner, expires in (("a", "ann", 100), ("b", "ann", 101), ("c", "bob", 9999)):
            upload = rows.media_upload(ident, f"usr_{owner}", expires_at_ms=expires)
            await database.run(media_uploads.insert, upload)
        assert [one.id for one in await database.read(media_uploads.over, 100, 9)] == ["med_a"]
        await database.run(users.delete, "usr_bob")
        assert [one.id for one in await database.read(media_uploads.over, 100, 9)] == ["med_a", "med_c"]
        assert [one.id for one in await database.read(media_uploads.over, 200, 1)] == ["med_a"]
