"""Sign-ins: stored, rotated, ended, forgotten."""

from __future__ import annotations

from pathlib import Path

import msgspec

from appliance.store import sessions, users
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


async def test_a_session_is_rotated_and_ended_once(engine: str | Path) -> None:
    first = rows.session("ses_a", "usr_ann", kind="cookie", user_agent="Ünïcode")
    async with open_test_database(engine) as database:
        await database.run(users.insert, rows.user("ann"))
        await database.run(sessions.insert, first)
        assert await database.read(sessions.by_id, "ses_a") == first
        await database.run(sessions.rotate, "ses_a", refresh_id="two", now_ms=2000, expires_at_ms=9500)
        rotated = msgspec.structs.replace(
            first, refresh_id="two", previous_refresh_id="rft_ses_a", rotated_at_ms=2000, expires_at_ms=9500
        )
        assert await database.read(sessions.by_id, "ses_a") == rotated
        assert await database.read(sessions.count_users, 9499) == 1
        assert await database.read(sessions.count_users, 9500) == 0
        assert await database.run(sessions.revoke, "ses_a", "signed out", 3000)
        assert not await database.run(sessions.revoke, "ses_a", "again", 4000)
        ended = await database.read(sessions.by_id, "ses_a")
        assert ended is not None and (ended.revoked_at_ms, ended.revoked_reason) == (3000, "signed out")
        assert await database.read(sessions.count_users, 4000) == 0


async def test_all_but_one_end(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        for name in ("ann", "bob"):
            await database.run(users.insert, rows.user(name))
            for n in range(3):
                await database.run(sessions.insert, rows.session(f"ses_{name}{n}", f"usr_{name}"))
        assert await database.run(sessions.revoke_all, "usr_ann", "password changed", 5, besides="ses_ann1") == 2
        assert await database.run(sessions.revoke_all, "usr_ann", "banned", 6) == 1
        assert await database.run(sessions.revoke_all, "usr_bob", "banned", 6) == 3


async def test_the_oldest_end_when_there_are_too_many(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(users.insert, rows.user("ann"))
        for n in range(5):
            await database.run(sessions.insert, rows.session(f"ses_{n}", "usr_ann", rotated_at_ms=1000 + n))
        assert await database.run(sessions.trim, "usr_ann", keep=3, now_ms=7) == 2
        assert await database.run(sessions.trim, "usr_ann", keep=3, now_ms=7) == 0
        alive = []
        for n in range(5):
            found = await database.read(sessions.by_id, f"ses_{n}")
            assert found is not None
            alive += [n] if found.revoked_at_ms is None else []
        assert alive == [2, 3, 4]


async def test_expired_ones_are_forgotten(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(users.insert, rows.user("ann"))
        await database.run(sessions.insert, rows.session("ses_old", "usr_ann", expires_at_ms=10))
        await database.run(sessions.insert, rows.session("ses_new", "usr_ann", expires_at_ms=20))
        assert await database.run(sessions.delete_expired, 20) == 1
        assert await database.read(sessions.by_id, "ses_old") is None
