"""Accounts: queries on the table ``users``.

Owns the rows and their uniqueness; refuses to hash, to decide who may do what, and to check texts.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from appliance.store.database import Conn, Row
from appliance.store.filters import Filters

UserRole = Literal["user", "admin"]
UserStatus = Literal["active", "banned"]

_COLUMNS = (
    "id, username, email, password_hash, nickname, avatar_id, role, status, created_at_ms, updated_at_ms, "
    "last_login_at_ms"
)


class User(msgspec.Struct, frozen=True, kw_only=True):
    """One account. Times in milliseconds since the Unix epoch."""

    id: str
    username: str
    email: str
    password_hash: str | None
    """None: a plugin knows the password, see `external_accounts`."""
    nickname: str
    avatar_id: str | None
    role: UserRole
    status: UserStatus
    created_at_ms: int
    updated_at_ms: int
    last_login_at_ms: int | None


def fold(text: str) -> str:
    """What two names or addresses must not share: case does not tell accounts apart."""
    return text.casefold()


async def insert(conn: Conn, user: User) -> None:
    """Add an account; UniqueViolationError when its name or address is not free (see `taken`)."""
    await conn.execute(
        f"INSERT INTO users ({_COLUMNS}, username_key, email_key, search_key)"
        " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)",
        user.id,
        user.username,
        user.email,
        user.password_hash or "",
        user.nickname,
        user.avatar_id,
        user.role,
        user.status,
        user.created_at_ms,
        user.updated_at_ms,
        user.last_login_at_ms,
        fold(user.username),
        fold(user.email),
        _search_key(user.username, user.email, user.nickname),
    )


async def taken(conn: Conn, *, username: str | None, email: str | None, besides: str = "") -> str | None:
    """``"username"`` or ``"email"`` when another account than ``besides`` has it, else None."""
    for column, value in (("username", username), ("email", email)):
        if value is None:
            continue
        owner = await conn.fetchval(f"SELECT id FROM users WHERE {column}_key = $1", fold(value))
        if owner is not None and owner != besides:
            return column
    return None


async def by_id(conn: Conn, user_id: str) -> User | None:
    """The account, or None."""
    return _user(await conn.fetchrow(f"SELECT {_COLUMNS} FROM users WHERE id = $1", user_id))


async def by_ids(conn: Conn, user_ids: list[str]) -> dict[str, User]:
    """Those of the accounts that exist, by id."""
    found: dict[str, User] = {}
    for user_id in dict.fromkeys(user_ids):
        user = await by_id(conn, user_id)
        if user is not None:
            found[user_id] = user
    return found


async def by_login(conn: Conn, login: str) -> User | None:
    """The account with this user name or, when it holds an ``@``, this address."""
    column = "email_key" if "@" in login else "username_key"
    return _user(await conn.fetchrow(f"SELECT {_COLUMNS} FROM users WHERE {column} = $1", fold(login)))


async def update_profile(
    conn: Conn, user_id: str, *, username: str, email: str, nickname: str, now_ms: int
) -> bool:
    """Whether the account existed and now has these texts."""
    changed = await conn.execute(
        "UPDATE users SET username = $2, username_key = $3, email = $4, email_key = $5, nickname = $6,"
        " updated_at_ms = $7, search_key = $8 WHERE id = $1",
        user_id,
        username,
        fold(username),
        email,
        fold(email),
        nickname,
        now_ms,
        _search_key(username, email, nickname),
    )
    return changed == 1


async def set_password_hash(conn: Conn, user_id: str, password_hash: str, now_ms: int) -> bool:
    """Whether the account existed."""
    sql = "UPDATE users SET password_hash = $2, updated_at_ms = $3 WHERE id = $1"
    return await conn.execute(sql, user_id, password_hash, now_ms) == 1


async def set_avatar(conn: Conn, user_id: str, avatar_id: str | None, now_ms: int) -> bool:
    """Whether the account existed."""
    sql = "UPDATE users SET avatar_id = $2, updated_at_ms = $3 WHERE id = $1"
    return await conn.execute(sql, user_id, avatar_id, now_ms) == 1


async def set_status(conn: Conn, user_id: str, status: UserStatus, now_ms: int) -> bool:
    """Whether the account existed."""
    sql = "UPDATE users SET status = $2, updated_at_ms = $3 WHERE id = $1"
    return await conn.execute(sql, user_id, status, now_ms) == 1


async def set_role(conn: Conn, user_id: str, role: UserRole, now_ms: int) -> bool:
    """Whether the account existed."""
    sql = "UPDATE users SET role = $2, updated_at_ms = $3 WHERE id = $1"
    return await conn.execute(sql, user_id, role, now_ms) == 1


async def set_last_login(conn: Conn, user_id: str, now_ms: int) -> None:
    """Remember a sign-in."""
    await conn.execute("UPDATE users SET last_login_at_ms = $2 WHERE id = $1", user_id, now_ms)


async def delete(conn: Conn, user_id: str) -> bool:
    """Whether the account existed; its sessions go with it, its meetings and messages stay without it."""
    return await conn.execute("DELETE FROM users WHERE id = $1", user_id) == 1


async def count_active_admins(conn: Conn) -> int:
    """Administrators who can sign in."""
    return int(await conn.fetchval("SELECT COUNT(*) FROM users WHERE role = 'admin' AND status = 'active'"))


async def page(
    conn: Conn,
    *,
    search: str | None,
    role: UserRole | None,
    status: UserStatus | None,
    after: tuple[int, str] | None,
    limit: int,
) -> list[User]:
    """At most ``limit`` accounts, newest first, after the one with (created_at_ms, id) ``after``.

    ``search`` is found anywhere in user name, address or nickname, whatever its case.
    """
    filters = Filters()
    if search:
        filters.contains("search_key", fold(search))
    filters.equal(role=role, status=status)
    filters.beyond("created_at_ms", after)
    sql = f"SELECT {_COLUMNS} FROM users{filters.where} ORDER BY created_at_ms DESC, id DESC"
    rows = await conn.fetch(f"{sql} LIMIT {filters.place(limit)}", *filters.args)
    return [_filled(row) for row in rows]


def _search_key(username: str, email: str, nickname: str) -> str:
    return fold("\n".join((username, email, nickname)))


def _user(row: Row | None) -> User | None:
    return None if row is None else _filled(row)


def _filled(row: Row) -> User:
    values = {name: row[name] for name in User.__struct_fields__}
    return User(**{**values, "password_hash": row["password_hash"] or None})
