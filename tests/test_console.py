"""Accounts from the command line, on both engines, beside an open database."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from appliance import console
from appliance.auth.passwords import PasswordHasher
from appliance.errors import ConfigError, UserError
from appliance.settings import AuthSettings, Settings
from appliance.store import audit, users
from appliance.store.database import Conn
from appliance.store.users import User
from tests.support.databases import database_settings, open_test_database

# The cheapest hash that settings allow.
QUICK = AuthSettings(argon2_memory_kib=8192, argon2_passes=1, argon2_lanes=1)
PASSWORD = "correct horse battery"


@pytest.fixture(params=["sqlite", "postgresql"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """Where the database is, on either engine."""
    return tmp_path / "data" if request.param == "sqlite" else request.getfixturevalue("postgres_url")


def _settings(target: str | Path) -> Settings:
    return msgspec.structs.replace(database_settings(target), auth=QUICK)


async def _add(settings: Settings, name: str, *, administrator: bool = False, password: str = PASSWORD) -> str:
    return await console.add_user(
        settings,
        username=name,
        email=f"{name}@example.org",
        nickname=None,
        administrator=administrator,
        password=password,
    )


async def _all(settings: Settings) -> list[User]:
    found: list[User] = []
    await console.list_users(settings, found.append)
    return found


async def test_accounts_are_made_and_listed(target: str | Path) -> None:
    settings = _settings(target)
    assert await _all(settings) == []
    ann = await _add(settings, "ann", administrator=True)
    ben = await _add(settings, "ben")
    found = {user.id: user for user in await _all(settings)}
    assert {(user.username, user.role, user.nickname) for user in found.values()} == {
        ("ann", "admin", "ann"),
        ("ben", "user", "ben"),
    }
    hasher = PasswordHasher(QUICK)
    assert await hasher.verify(found[ann].password_hash, PASSWORD)
    assert not await hasher.verify(found[ben].password_hash, "wrong")


async def test_many_accounts_are_listed_page_by_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "_PAGE", 3)
    settings = _settings(tmp_path)
    names = [f"user{number}" for number in range(7)]
    for name in names:
        await _add(settings, name)
    assert sorted(user.username for user in await _all(settings)) == names


async def test_a_password_is_reset_beside_an_open_database(target: str | Path) -> None:
    settings = _settings(target)
    if isinstance(target, Path):
        target.mkdir()
    async with open_test_database(target) as database:
        user_id = await _add(settings, "ann")
        await console.reset_password(settings, login="ANN@example.org", password="another good one")

        async def look(conn: Conn) -> tuple[User | None, list[audit.AuditEntry]]:
            entries = await audit.page(conn, action=None, actor_id=None, after=None, limit=10)
            return await users.by_id(conn, user_id), entries

        user, entries = await database.read(look)
    assert user is not None
    assert await PasswordHasher(QUICK).verify(user.password_hash, "another good one")
    assert {entry.action for entry in entries} == {"console.user.add", "console.user.reset_password"}
    assert all(entry.target == user_id and entry.actor_name.startswith("console: ") for entry in entries)


async def test_what_cannot_be_is_refused(tmp_path: Path) -> None:
    settings = _settings(tmp_path)
    await _add(settings, "ann")
    for name, password, code in (("Ann", PASSWORD, "username_taken"), ("a b", PASSWORD, "invalid_field")):
        with pytest.raises(UserError) as caught:
            await _add(settings, name, password=password)
        assert caught.value.code == code
    with pytest.raises(UserError, match="at least 8 characters"):
        await _add(settings, "ben", password="short")
    with pytest.raises(UserError, match="no account has the name or address 'nobody'"):
        await console.reset_password(settings, login="nobody", password=PASSWORD)
    assert [user.username for user in await _all(settings)] == ["ann"]


async def test_a_folder_that_cannot_be_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is not a folder"):
        await _all(_settings(tmp_path / "file"))
