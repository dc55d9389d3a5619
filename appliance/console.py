"""Accounts, jobs and the audit log from the command line, beside a running server or without one.

Owns what ``parley user …``, ``jobs …`` and ``audit …`` do; refuses to know tables and hashing. It works on the database
directly and takes no lock on the data folder: SQLite and PostgreSQL let two processes in. Everything it changes is in
the audit log under the name of the person at the keyboard.
"""

from __future__ import annotations

import getpass
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import NoReturn

from appliance.api import texts
from appliance.api.admin_shapes import AuditVerdict
from appliance.api.audit_log import exported, follow
from appliance.asyncio_thread import open_asyncio_thread
from appliance.auth.passwords import MAX_PASSWORD_BYTES, PasswordHasher
from appliance.data_folder import make_data_folder
from appliance.errors import ConfigError, UserError
from appliance.events.catalogue import UserRegistered
from appliance.events.envelope import Envelope, envelop
from appliance.ids import new_id
from appliance.job_records import JobState
from appliance.settings import Settings
from appliance.store import audit, external_accounts, jobs, outbox, sessions, users
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn, Database, open_database
from appliance.store.jobs import Job
from appliance.store.users import User

# Rows that `parley user list` and `parley jobs list` ask for at a time.
_PAGE = 500


def read_password() -> str:
    """A new password: asked twice on a terminal, else the first line of standard input."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\r\n")
    first = getpass.getpass("New password: ")
    if getpass.getpass("Once more: ") != first:
        raise ConfigError("the two passwords differ")
    return first


async def add_user(
    settings: Settings, *, username: str, email: str, nickname: str | None, administrator: bool, password: str
) -> str:
    """Make an account and return its id. UserError says what is wrong with it."""
    async with _open(settings) as database:
        now_ms = _now_ms()
        kept_name = texts.username(username)
        user = User(
            id=new_id("usr"),
            username=kept_name,
            email=texts.email(email),
            password_hash=await _hash(settings, password),
            nickname=texts.name(nickname, "nickname") if nickname else kept_name,
            avatar_id=None,
            role="admin" if administrator else "user",
            status="active",
            created_at_ms=now_ms,
            updated_at_ms=now_ms,
            last_login_at_ms=None,
        )
        registered = UserRegistered(user_id=user.id, username=user.username)
        event = envelop(registered, event_id=new_id("evt"), at_ms=now_ms)
        await database.run(_insert, user, _entry("console.user.add", user.id, now_ms, f"role {user.role}"), event)
        return user.id


async def reset_password(settings: Settings, *, login: str, password: str) -> None:
    """Give an account another password and end its sessions. UserError when there is no such account."""
    async with _open(settings) as database:
        await database.run(_set_password, login, await _hash(settings, password), _now_ms(), new_id("aud"))


async def list_users(settings: Settings, show: Callable[[User], None]) -> None:
    """Show all accounts, newest first."""
    async with _open(settings) as database:
        after: tuple[int, str] | None = None
        while page := await database.read(_page, after):
            for user in page:
                show(user)
            after = (page[-1].created_at_ms, page[-1].id)


async def list_jobs(
    settings: Settings, *, state: JobState | None, type: str | None, show: Callable[[Job], None]
) -> None:
    """Show jobs, newest first."""
    async with _open(settings) as database:
        after: tuple[int, str] | None = None
        while page := await database.read(jobs.page, state=state, type=type, after=after, limit=_PAGE):
            for job in page:
                show(job)
            after = (page[-1].created_at_ms, page[-1].id)


async def find_job(settings: Settings, job_id: str) -> Job:
    """One job. UserError when there is none."""
    async with _open(settings) as database:
        return await database.read(_existing_job, job_id)


async def requeue_job(settings: Settings, job_id: str) -> None:
    """Have a dead or cancelled job begin anew; a running server on SQLite sees it within ten seconds. UserError."""
    async with _open(settings) as database:
        now_ms = _now_ms()
        await database.run(_requeue_job, job_id, now_ms, _entry("console.job.requeue", job_id, now_ms, ""))


async def drop_job(settings: Settings, job_id: str) -> None:
    """Forget a dead or cancelled job. UserError."""
    async with _open(settings) as database:
        await database.run(_drop_job, job_id, _entry("console.job.drop", job_id, _now_ms(), ""))


async def export_audit(settings: Settings, *, after: int, write: Callable[[bytes], object]) -> None:
    """Write the sealed audit log, one JSON object a line, from the row behind number ``after`` on."""
    async with _open(settings) as database:
        while page := await database.read(audit.sealed, after, _PAGE):
            write(exported(page))
            after = page[-1].seq


async def verify_audit(settings: Settings) -> AuditVerdict:
    """Follow the seals of the audit log."""
    async with _open(settings) as database:
        return await follow(database)


@asynccontextmanager
async def _open(settings: Settings) -> AsyncIterator[Database]:
    if not settings.database.url:
        make_data_folder(Path(settings.data.folder))
    async with open_asyncio_thread() as thread, open_database(settings, thread) as database:
        yield database


async def _hash(settings: Settings, password: str) -> str:
    least = settings.auth.password_min_length
    return await PasswordHasher(settings.auth).hash(
        texts.password(password, min_length=least, max_bytes=MAX_PASSWORD_BYTES)
    )


async def _insert(conn: Conn, user: User, entry: AuditEntry, event: Envelope) -> None:
    taken = await users.taken(conn, username=user.username, email=user.email)
    if taken is not None:
        raise UserError(409, f"{taken}_taken", f"another account has this {taken}", field=taken)
    await users.insert(conn, user)
    await audit.insert(conn, entry)
    await outbox.add(conn, event)


async def _set_password(conn: Conn, login: str, password_hash: str, now_ms: int, entry_id: str) -> None:
    user = await users.by_login(conn, login)
    if user is None:
        raise UserError(404, "not_found", f"no account has the name or address {login!r}", field="login")
    bound = await external_accounts.of_user(conn, user.id)
    if bound is not None:
        message = f"the account {user.username} signs in by the plugin {bound.plugin}: its password is changed there"
        raise UserError(409, "external_account", message, field="login")
    await users.set_password_hash(conn, user.id, password_hash, now_ms)
    await sessions.revoke_all(conn, user.id, "password reset", now_ms)
    await audit.insert(conn, _entry("console.user.reset_password", user.id, now_ms, "", entry_id))


async def _existing_job(conn: Conn, job_id: str) -> Job:
    job = await jobs.by_id(conn, job_id)
    if job is None:
        raise UserError(404, "not_found", f"there is no job {job_id!r}", field="id")
    return job


async def _requeue_job(conn: Conn, job_id: str, now_ms: int, entry: AuditEntry) -> None:
    if not await jobs.requeue(conn, job_id, now_ms):
        await _refuse_job(conn, job_id, "requeued")
    await audit.insert(conn, entry)


async def _drop_job(conn: Conn, job_id: str, entry: AuditEntry) -> None:
    if not await jobs.drop(conn, job_id):
        await _refuse_job(conn, job_id, "dropped")
    await audit.insert(conn, entry)


async def _refuse_job(conn: Conn, job_id: str, what: str) -> NoReturn:
    state = (await _existing_job(conn, job_id)).state
    raise UserError(409, "wrong_state", f"only dead and cancelled jobs can be {what}, {job_id} is {state}", field="id")


async def _page(conn: Conn, after: tuple[int, str] | None) -> list[User]:
    return await users.page(conn, search=None, role=None, status=None, after=after, limit=_PAGE)


def _entry(action: str, target: str, now_ms: int, detail: str, entry_id: str | None = None) -> AuditEntry:
    return AuditEntry(
        id=entry_id or new_id("aud"),
        at_ms=now_ms,
        actor_id=None,
        actor_name=f"console: {getpass.getuser()}",
        action=action,
        outcome="ok",
        target=target,
        address="console",
        request_id="",
        detail=detail,
    )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
