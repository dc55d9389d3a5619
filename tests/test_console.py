"""Accounts from the command line, on both engines, beside an open database."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from appliance import console
from appliance.auth.passwords import PasswordHasher
from appliance.errors import ConfigError, UserError
from appliance.settings import AuthSettings, Settings
from appliance.store import audit, external_accounts, job_runs, jobs, users
from appliance.store.database import Conn
from appliance.store.external_accounts import ExternalAccount
from appliance.store.jobs import Job
from appliance.store.users import User
from tests.support.databases import database_settings, open_test_database
from tests.support.queued_jobs import Number, a_turn, done, now_ms, number_type

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


async def test_a_password_that_a_plugin_knows_is_not_reset(target: str | Path) -> None:
    settings = _settings(target)
    user_id = await _add(settings, "ann")
    bound = ExternalAccount(
        user_id=user_id, plugin="ldap", subject="1", username="ann", email="a@b.org", display_name="Ann"
    )
    async with open_test_database(target) as database:
        await database.run(external_accounts.put, bound)
    with pytest.raises(UserError, match="the account ann signs in by the plugin ldap"):
        await console.reset_password(settings, login="ann", password="another good one")


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


async def test_dead_letters_are_looked_at_requeued_and_dropped(target: str | Path) -> None:
    settings = _settings(target)
    order = number_type().order(Number(7), now_ms=now_ms())
    if isinstance(target, Path):
        target.mkdir()
    async with open_test_database(target) as database:
        await database.run(jobs.enqueue, order)

        async def die() -> None:
            await database.run(job_runs.turn, a_turn(now_ms()))
            ended = done(order.id, verdict="dead", error="Traceback\nLookupError: boom")
            await database.run(job_runs.turn, a_turn(now_ms(), ended=(ended,), limit=0))

        await die()
        shown: list[Job] = []
        await console.list_jobs(settings, state="dead", type=None, show=shown.append)
        await console.list_jobs(settings, state="done", type=None, show=shown.append)
        await console.list_jobs(settings, state=None, type="test.number", show=shown.append)
        assert [job.id for job in shown] == [order.id, order.id]
        assert await console.find_job(settings, order.id) == shown[0]
        await console.requeue_job(settings, order.id)
        assert (await console.find_job(settings, order.id)).state == "waiting"
        with pytest.raises(UserError, match=f"can be dropped, {order.id} is waiting"):
            await console.drop_job(settings, order.id)
        await die()
        await console.drop_job(settings, order.id)
        for act in (console.find_job, console.requeue_job, console.drop_job):
            with pytest.raises(UserError, match="there is no job"):
                await act(settings, order.id)
        rows = await database.read(audit.page, action=None, actor_id=None, after=None, limit=9)
        assert {row.action for row in rows if row.target == order.id} == {"console.job.requeue", "console.job.drop"}
        assert all(row.actor_name.startswith("console: ") for row in rows)


async def test_the_audit_log_is_exported_and_verified(target: str | Path) -> None:
    settings = _settings(target)
    for name in ("ann", "ben", "cat"):
        await _add(settings, name)
    written: list[bytes] = []
    await console.export_audit(settings, after=1, write=written.append)
    lines = [msgspec.json.decode(line) for line in b"".join(written).splitlines()]
    assert [(line["seq"], line["entry"]["action"]) for line in lines] == [
        (2, "console.user.add"), (3, "console.user.add"),
    ]  # fmt: skip
    verdict = await console.verify_audit(settings)
    assert (verdict.intact, verdict.rows, verdict.seal) == (True, 3, lines[-1]["seal"])

    async def tamper(conn: Conn) -> None:
        await conn.execute("DELETE FROM audit WHERE seq = 2")

    async with open_test_database(target) as database:
        await database.run(tamper)
    verdict = await console.verify_audit(settings)
    assert (verdict.intact, verdict.rows, verdict.broken_at) == (False, 1, 2)
