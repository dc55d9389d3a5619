"""Whose password a plugin knows: queries on the table ``external_accounts``.

Owns the rows; refuses to know what a plugin is and what follows from a change (`api.external_sign_in`).
"""

from __future__ import annotations

import msgspec

from appliance.store.database import Conn, Row


class ExternalAccount(msgspec.Struct, frozen=True, kw_only=True):
    """An account and who vouches for it, with what that one said of it last."""

    user_id: str
    plugin: str
    subject: str
    """The plugin's own name for the person."""
    username: str
    email: str
    display_name: str


_COLUMNS = ", ".join(ExternalAccount.__struct_fields__)


async def put(conn: Conn, account: ExternalAccount) -> None:
    """Bind an account, or note what was said of it now. UniqueViolationError: the subject has another account."""
    await conn.execute(
        f"INSERT INTO external_accounts ({_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (user_id) DO UPDATE"
        " SET username = excluded.username, email = excluded.email, display_name = excluded.display_name",
        *(getattr(account, name) for name in ExternalAccount.__struct_fields__),
    )


async def of_subject(conn: Conn, plugin: str, subject: str) -> ExternalAccount | None:
    """The account of somebody whom the plugin knows; None at the first sign-in."""
    sql = f"SELECT {_COLUMNS} FROM external_accounts WHERE plugin = $1 AND subject = $2"
    return _filled(await conn.fetchrow(sql, plugin, subject))


async def of_user(conn: Conn, user_id: str) -> ExternalAccount | None:
    """Who vouches for an account; None for one with a password of its own."""
    return _filled(await conn.fetchrow(f"SELECT {_COLUMNS} FROM external_accounts WHERE user_id = $1", user_id))


def _filled(row: Row | None) -> ExternalAccount | None:
    if row is None:
        return None
    return ExternalAccount(**{name: row[name] for name in ExternalAccount.__struct_fields__})
