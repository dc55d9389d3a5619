"""What administrators do to accounts. Each action leaves an audit row in the same transaction."""

from __future__ import annotations

from msgspec import structs

from appliance.api.bodies import BanBody, Empty, RoleBody, UsersQuery
from appliance.api.call import Call
from appliance.api.pages import Page, cut, decode_cursor
from appliance.api.profile import deleted, existing_user, forget_media_order, refuse_last_admin, remove_user
from appliance.api.shapes import Nothing, UserView, user_view
from appliance.errors import UserError
from appliance.events.catalogue import UserStatusChanged
from appliance.events.envelope import Envelope
from appliance.store import audit, outbox, sessions, users
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.users import User, UserRole, UserStatus


async def list_users(call: Call, query: UsersQuery) -> Page[UserView]:
    """Accounts, newest first; searched in user name, address and nickname."""
    rows = await call.read(
        users.page,
        search=query.search,
        role=query.role,
        status=query.status,
        after=decode_cursor(query.cursor),
        limit=query.limit + 1,
    )
    return cut(rows, query.limit, user_view, lambda user: (user.created_at_ms, user.id))


async def ban(call: Call, user_id: str, body: BanBody) -> UserView:
    """Ban an account: its sessions end at once and it cannot sign in."""
    _refuse_self(call, user_id)
    entry = call.audit_entry("admin.user.ban", target=user_id, detail=body.reason)
    user = await call.run(_set_status, user_id, "banned", entry, _changes(call, user_id), call.now_ms)
    call.services.live.revoke_user(user_id)
    return user_view(user)


async def unban(call: Call, user_id: str, body: Empty) -> UserView:
    """Let a banned account sign in again."""
    entry = call.audit_entry("admin.user.unban", target=user_id)
    return user_view(await call.run(_set_status, user_id, "active", entry, _changes(call, user_id), call.now_ms))


def _changes(call: Call, user_id: str) -> Envelope:
    """That an account changes; `_told` fills in how."""
    return call.event(UserStatusChanged(user_id=user_id, status="active", role="user", by_user_id=call.user.id))


async def _told(conn: Conn, event: Envelope, user: User) -> None:
    assert isinstance(event.event, UserStatusChanged)
    changed = structs.replace(event.event, status=user.status, role=user.role)
    await outbox.add(conn, structs.replace(event, event=changed))


async def _set_status(
    conn: Conn, user_id: str, status: UserStatus, entry: AuditEntry, event: Envelope, now_ms: int
) -> User:
    user = await existing_user(conn, user_id)
    if status == "banned":
        await refuse_last_admin(conn, user)
        await sessions.revoke_all(conn, user_id, "banned", now_ms)
    await users.set_status(conn, user_id, status, now_ms)
    await audit.insert(conn, entry)
    changed = await existing_user(conn, user_id)
    if changed.status != user.status:
        await _told(conn, event, changed)
    return changed


async def set_role(call: Call, user_id: str, body: RoleBody) -> UserView:
    """Make an account an administrator or an ordinary user; its sessions end, so that no old right lives on."""
    _refuse_self(call, user_id)
    entry = call.audit_entry("admin.user.role", target=user_id, detail=body.role)
    user, changed = await call.run(_set_role, user_id, body.role, entry, _changes(call, user_id), call.now_ms)
    if changed:
        call.services.live.revoke_user(user_id)
    return user_view(user)


async def _set_role(
    conn: Conn, user_id: str, role: UserRole, entry: AuditEntry, event: Envelope, now_ms: int
) -> tuple[User, bool]:
    user = await existing_user(conn, user_id)
    changed = user.role != role
    if changed:
        if role != "admin":
            await refuse_last_admin(conn, user)
        await users.set_role(conn, user_id, role, now_ms)
        await sessions.revoke_all(conn, user_id, "role changed", now_ms)
        await _told(conn, event, await existing_user(conn, user_id))
    await audit.insert(conn, entry)
    return await existing_user(conn, user_id), changed


async def delete(call: Call, user_id: str, body: Empty) -> Nothing:
    """Delete an account; meetings and messages stay without its name on them."""
    _refuse_self(call, user_id)
    user = await call.read(existing_user, user_id)
    entry = call.audit_entry("admin.user.delete", target=user_id, detail=user.username)
    await call.run(remove_user, user_id, entry, call.event(deleted(user, by=call.user)), forget_media_order(call))
    call.services.live.revoke_user(user_id)
    if user.avatar_id is not None:
        await call.services.files.delete(f"avatars/{user.avatar_id}.webp")
    return Nothing()


def _refuse_self(call: Call, user_id: str) -> None:
    if call.user.id == user_id:
        raise UserError(409, "cannot_target_self", "administrators cannot do this to themselves", field="user_id")
