"""One's own account: show, change, new password, delete."""

from __future__ import annotations

from appliance.api import external_sign_in, texts
from appliance.api.auth import refuse_taken
from appliance.api.bodies import ChangePasswordBody, DeleteAccountBody, ProfileBody
from appliance.api.call import Call, Reply
from appliance.api.shapes import Nothing, UserView, user_view
from appliance.api.sign_in import cleared_cookies
from appliance.auth.passwords import MAX_PASSWORD_BYTES
from appliance.errors import UserError
from appliance.events.catalogue import UserStatusChanged
from appliance.events.envelope import Envelope
from appliance.file_chores import FORGET_MEDIA
from appliance.job_records import Order
from appliance.jobs.types import NoPayload
from appliance.store import audit, external_accounts, jobs, outbox, sessions, users
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.users import User


async def show(call: Call) -> UserView:
    """The signed-in account."""
    return user_view(call.user)


async def update(call: Call, body: ProfileBody) -> UserView:
    """Change nickname, e-mail address or user name; fields left out stay."""
    return await change_profile(call, call.user, body)


async def change_profile(call: Call, user: User, body: ProfileBody) -> UserView:
    """Store the checked fields for an account: one's own, or another one's for an administrator."""
    username = texts.username(body.username) if body.username is not None else None
    email = texts.email(body.email) if body.email is not None else None
    nickname = texts.name(body.nickname, "nickname") if body.nickname is not None else None
    entry = call.audit_entry("profile.update", target=user.id)
    changed = await call.run(_store_profile, user.id, username, email, nickname, entry, call.now_ms)
    return user_view(changed)


async def _store_profile(
    conn: Conn,
    user_id: str,
    username: str | None,
    email: str | None,
    nickname: str | None,
    entry: AuditEntry,
    now_ms: int,
) -> User:
    user = await existing_user(conn, user_id)
    await refuse_taken(conn, username, email, besides=user_id)
    await users.update_profile(
        conn,
        user_id,
        username=username or user.username,
        email=email or user.email,
        nickname=nickname or user.nickname,
        now_ms=now_ms,
    )
    await audit.insert(conn, entry)
    return await existing_user(conn, user_id)


async def existing_user(conn: Conn, user_id: str) -> User:
    """Repository function: the account, or UserError 404."""
    user = await users.by_id(conn, user_id)
    if user is None:
        raise UserError(404, "not_found", "there is no such account", field="user_id")
    return user


async def change_password(call: Call, body: ChangePasswordBody) -> Nothing:
    """Set a new password; every other session of the account ends. 409 for an account whose password a plugin knows."""
    bound = await call.read(external_accounts.of_user, call.user.id)
    if bound is not None:
        entry = call.audit_entry("profile.change_password", "external_account", target=call.user.id)
        await call.run(audit.insert, entry)
        raise external_sign_in.kept_elsewhere(bound.plugin)
    user, least = call.user, call.services.settings.auth.password_min_length
    new = texts.password(
        body.new_password, min_length=least, max_bytes=MAX_PASSWORD_BYTES, field="new_password"
    )
    await confirm_password(call, body.old_password, "old_password", "profile.change_password")
    hashed = await call.services.passwords.hash(new)
    entry = call.audit_entry("profile.change_password", target=user.id)
    await call.run(_store_password, user, hashed, call.signed_in.session.id, entry, call.now_ms)
    call.services.live.revoke_user(user.id)
    return Nothing()


async def confirm_password(call: Call, password: str, field: str, action: str) -> None:
    """UserError 403 ``password_wrong``, with an audit row, unless this is the caller's password."""
    bound = await call.read(external_accounts.of_user, call.user.id)
    if bound is not None:
        right = await external_sign_in.confirm(call, bound, password)
    else:
        right = await call.services.passwords.verify(call.user.password_hash, password)
    if not right:
        await call.run(audit.insert, call.audit_entry(action, "password_wrong", target=call.user.id))
        # 403: the session is fine, so a client must not take this for a sign-out.
        raise UserError(403, "password_wrong", "this is not your password", field=field)


async def _store_password(
    conn: Conn, user: User, hashed: str, keep_session: str, entry: AuditEntry, now_ms: int
) -> None:
    now = await existing_user(conn, user.id)
    if now.password_hash != user.password_hash:
        raise UserError(409, "conflict", "the password was changed elsewhere at the same time")
    await users.set_password_hash(conn, user.id, hashed, now_ms)
    await sessions.revoke_all(conn, user.id, "password changed", now_ms, besides=keep_session)
    await audit.insert(conn, entry)


async def delete_account(call: Call, body: DeleteAccountBody) -> Reply:
    """Delete one's own account; meetings and messages stay without its name on them."""
    await confirm_password(call, body.password, "password", "profile.delete_account")
    user = call.user
    entry = call.audit_entry("profile.delete_account", target=user.id)
    await call.run(remove_user, user.id, entry, call.event(deleted(user, by=user)), forget_media_order(call))
    call.services.live.revoke_user(user.id)
    if user.avatar_id is not None:
        await call.services.files.delete(f"avatars/{user.avatar_id}.webp")
    return Reply(data=Nothing(), cookies=cleared_cookies() if call.signed_in.by_cookie else ())


def deleted(user: User, *, by: User) -> UserStatusChanged:
    """The event of an account that is deleted."""
    return UserStatusChanged(user_id=user.id, status="deleted", role=user.role, by_user_id=by.id)


def forget_media_order(call: Call) -> Order:
    """The job that removes the files of accounts that are deleted."""
    return FORGET_MEDIA.order(NoPayload(), now_ms=call.now_ms)


async def remove_user(conn: Conn, user_id: str, entry: AuditEntry, event: Envelope, forget_media: Order) -> None:
    """Repository function: delete an account, but not the last administrator (UserError 409 ``last_admin``)."""
    user = await existing_user(conn, user_id)
    await refuse_last_admin(conn, user)
    await users.delete(conn, user_id)
    await jobs.enqueue(conn, forget_media)
    await audit.insert(conn, entry)
    await outbox.add(conn, event)


async def refuse_last_admin(conn: Conn, user: User) -> None:
    """Repository function: UserError 409 ``last_admin`` when without this account nobody could administer."""
    if user.role == "admin" and user.status == "active" and await users.count_active_admins(conn) <= 1:
        raise UserError(409, "last_admin", "this is the last administrator: appoint another one first")
