"""Accounts: what is unique, what is found, what a page holds."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from appliance.store import sessions, users
from appliance.store.database import UniqueViolationError
from tests.support import stored_rows as rows
from tests.support.databases import open_test_database


async def test_an_account_comes_back_as_it_was(engine: str | Path) -> None:
    ann = rows.user("ann", nickname="Ännchen 安", avatar_id="avt_x", role="admin", last_login_at_ms=2**41)
    async with open_test_database(engine) as database:
        await database.run(users.insert, ann)
        assert await database.read(users.by_id, "usr_ann") == ann
        assert await database.read(users.by_id, "usr_nobody") is None
        assert await database.read(users.by_ids, ["usr_ann", "usr_nobody", "usr_ann"]) == {"usr_ann": ann}


async def test_case_does_not_tell_accounts_apart(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(users.insert, rows.user("Straße", id="usr_one", email="Ann@Example.org"))
        for login in ("straße", "STRASSE", "ann@example.ORG"):
            found = await database.read(users.by_login, login)
            assert found is not None and found.id == "usr_one" and found.username == "Straße"
        assert await database.read(users.by_login, "ann") is None
        assert await database.read(users.taken, username="strasse", email=None) == "username"
        assert await database.read(users.taken, username="other", email="ANN@example.org") == "email"
        assert await database.read(users.taken, username="strasse", email=None, besides="usr_one") is None
        with pytest.raises(UniqueViolationError):
            await database.run(users.insert, rows.user("STRASSE", id="usr_two"))
        with pytest.raises(UniqueViolationError):
            await database.run(users.insert, rows.user("two", email="ANN@EXAMPLE.org"))


async def test_changes(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(users.insert, rows.user("ann"))
        done = await database.run(
            users.update_profile, "usr_ann", username="anna", email="a@b.c", nickname="A", now_ms=7
        )
        assert done
        for change, value in (
            (users.set_password_hash, "hash"),
            (users.set_avatar, "avt_y"),
            (users.set_status, "banned"),
            (users.set_role, "admin"),
        ):
            assert await database.run(change, "usr_ann", value, 8)
            assert not await database.run(change, "usr_nobody", value, 8)
        await database.run(users.set_last_login, "usr_ann", 9)
        assert await database.read(users.by_id, "usr_ann") == msgspec.structs.replace(
            rows.user("anna", id="usr_ann", email="a@b.c", nickname="A"),
            password_hash="hash",
            avatar_id="avt_y",
            status="banned",
            role="admin",
            updated_at_ms=8,
            last_login_at_ms=9,
        )


async def test_a_deleted_account_takes_its_sessions_along(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        await database.run(users.insert, rows.user("ann"))
        await database.run(sessions.insert, rows.session("ses_a", "usr_ann"))
        assert await database.run(users.delete, "usr_ann")
        assert not await database.run(users.delete, "usr_ann")
        assert await database.read(sessions.by_id, "ses_a") is None


async def test_pages_are_searched_filtered_and_whole(engine: str | Path) -> None:
    async with open_test_database(engine) as database:
        for n in range(7):
            changes = {"role": "admin"} if n == 3 else {"status": "banned"} if n == 5 else {}
            await database.run(users.insert, rows.user(f"user{n}", created_at_ms=1000 + n // 3, **changes))
        await database.run(users.insert, rows.user("x", nickname="100%_Ännchen", created_at_ms=5))

        async def names(limit: int = 50, after: tuple[int, str] | None = None, **where: str) -> list[str]:
            filters = {"search": None, "role": None, "status": None, **where}
            found = await database.read(users.page, after=after, limit=limit, **filters)  # type: ignore[arg-type]
            return [user.username for user in found]

        everybody = ["user6", "user5", "user4", "user3", "user2", "user1", "user0", "x"]
        assert await names() == everybody
        assert await names(limit=3) == everybody[:3]
        assert await names(limit=3, after=(1001, "usr_user4")) == everybody[3:6]  # in the middle of equal times
        assert await names(role="admin") == ["user3"]
        assert await names(status="banned") == ["user5"]
        assert await names(role="admin", status="banned") == []
        assert await names(search="USER3") == ["user3"]
        assert await names(search="user3@EXAMPLE") == ["user3"]
        assert await names(search="änn") == ["x"]
        assert await names(search="100%_") == ["x"]
        assert await names(search="%") == ["x"]  # no wildcard
        assert await names(search="u_er") == []
        assert await names(search="\\") == []
        assert await database.read(users.count_active_admins) == 1
