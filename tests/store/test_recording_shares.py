"""Links to a recording: found by their token while they last, and never kept in clear."""

from __future__ import annotations

from pathlib import Path

from appliance.store import meetings, recording_shares, recordings
from appliance.store.database import Conn
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


async def _two(conn: Conn) -> None:
    await meetings.insert(conn, rows.meeting("one", None))
    for ident in "ab":
        await recordings.start(conn, rows.recording(ident, "mtg_one"))
        await recordings.stop(conn, f"rec_{ident}", reason="asked", recovered=False, now_ms=2000)


async def _stored(conn: Conn) -> list[str]:
    return [str(dict(row)) for row in await conn.fetch("SELECT * FROM recording_shares")]


async def test_a_link_works_until_it_ends_or_is_revoked(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(_two)
        for token, ident, until_ms, download in (
            ("secret1", "a", 5000, True),
            ("secret2", "a", 9000, False),
            ("secret3", "b", 9000, True),
        ):
            await database.run(
                recording_shares.insert,
                token,
                recording_id=f"rec_{ident}",
                created_by=None,
                expires_at_ms=until_ms,
                download=download,
                now_ms=1000,
            )
        assert not any("secret" in row for row in await database.read(_stored))

        async def leads(token: str, now_ms: int) -> tuple[str, bool] | None:
            found = await database.read(recording_shares.find, token, now_ms)
            return None if found is None else (found.recording.id, found.download)

        assert await leads("secret1", 4999) == ("rec_a", True)
        assert await leads("secret2", 4999) == ("rec_a", False)
        assert await leads("secret1", 5000) is None
        assert await leads(recording_shares.token_hash("secret1"), 1000) is None
        assert await leads("", 1000) is None
        assert await database.read(recording_shares.count, "rec_a", 1000) == 2
        assert await database.read(recording_shares.count, "rec_a", 6000) == 1
        assert await database.run(recording_shares.forget, 6000) == 1
        assert await database.run(recording_shares.revoke, "rec_a") == 1
        assert await leads("secret2", 1000) is None
        assert await leads("secret3", 1000) == ("rec_b", True)
