"""Sign up, sign in, stay signed in, sign out."""

from __future__ import annotations

from typing import Literal

from appliance.api import external_sign_in, texts
from appliance.api.bodies import Empty, LoginBody, RefreshBody, RegisterBody
from appliance.api.call import Call, Reply
from appliance.api.external_sign_in import wrong_password
from appliance.api.limits import account_limit
from appliance.api.shapes import CsrfToken, Nothing
from appliance.api.sign_in import REFRESH_COOKIE, cleared_cookies, new_session, signed_in, store_login, store_session
from appliance.auth.passwords import MAX_PASSWORD_BYTES
from appliance.auth.sessions import RefreshState, Verdict, judge_refresh
from appliance.errors import UserError
from appliance.events.catalogue import UserLoggedIn, UserRegistered
from appliance.events.envelope import Envelope
from appliance.ids import new_id
from appliance.store import audit, outbox, sessions, users
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.sessions import Session
from appliance.store.users import User, UserRole


async def register(call: Call, body: RegisterBody) -> Reply:
    """Create an account and sign in."""
    if call.services.settings.auth.registration != "open":
        raise UserError(403, "registration_closed", "only an administrator can add accounts here")
    user = await new_user(call, body, "user")
    session = new_session(call, user.id, body.session)
    entry = call.audit_entry("auth.register", target=user.id, actor=user)
    await call.run(store_user, user, session, entry, call.event(registered(user)), call.now_ms)
    return signed_in(call, user, session)


def registered(user: User) -> UserRegistered:
    """The event of a new account."""
    return UserRegistered(user_id=user.id, username=user.username)


async def new_user(call: Call, body: RegisterBody, role: UserRole) -> User:
    """The checked account that a body describes, with its password hashed; not stored."""
    username, email = texts.username(body.username), texts.email(body.email)
    nickname = texts.name(body.nickname, "nickname") if body.nickname is not None else username
    least = call.services.settings.auth.password_min_length
    password = texts.password(body.password, min_length=least, max_bytes=MAX_PASSWORD_BYTES)
    # Before the costly hash; the transaction that stores the account checks again.
    await call.read(refuse_taken, username, email)
    return User(
        id=new_id("usr"),
        username=username,
        email=email,
        password_hash=await call.services.passwords.hash(password),
        nickname=nickname,
        avatar_id=None,
        role=role,
        status="active",
        created_at_ms=call.now_ms,
        updated_at_ms=call.now_ms,
        last_login_at_ms=None,
    )


async def refuse_taken(conn: Conn, username: str | None, email: str | None, besides: str = "") -> None:
    """Repository function: UserError 409 ``username_taken`` or ``email_taken`` when another account has it."""
    field = await users.taken(conn, username=username, email=email, besides=besides)
    if field is not None:
        raise UserError(409, f"{field}_taken", f"another account has this {field}", field=field)


async def store_user(
    conn: Conn, user: User, session: Session, entry: AuditEntry, event: Envelope, now_ms: int
) -> None:
    """Repository function: add an account that is signed in at once."""
    await refuse_taken(conn, user.username, user.email)
    await users.insert(conn, user)
    await store_session(conn, session, entry, now_ms)
    await outbox.add(conn, event)


async def login(call: Call, body: LoginBody) -> Reply:
    """Sign in with user name or e-mail address, and password: Parley's own, or one that a plugin knows."""
    typed = body.login.strip()
    call.limit("account", account_limit(call.services.settings.limits), who=users.fold(typed))
    user = await call.read(users.by_login, typed)
    passwords = call.services.passwords
    kept = None if user is None else user.password_hash
    if not await passwords.verify(kept, body.password) or user is None or kept is None:
        return await external_sign_in.sign_in(call, body, typed, user)
    if user.status == "banned":
        await call.run(audit.insert, call.audit_entry("auth.login", "banned", actor=user))
        raise UserError(403, "banned", "this account is banned")
    rehashed = await passwords.hash(body.password) if passwords.needs_rehash(kept) else None
    session = new_session(call, user.id, body.session)
    entry = call.audit_entry("auth.login", actor=user, target=session.id)
    event = call.event(
        UserLoggedIn(user_id=user.id, session_id=session.id, address=session.address, user_agent=session.user_agent)
    )
    await call.run(_store_login, user, session, entry, rehashed, event, call.now_ms)
    return signed_in(call, user, session)


async def _store_login(
    conn: Conn,
    user: User,
    session: Session,
    entry: AuditEntry,
    rehashed: str | None,
    event: Envelope,
    now_ms: int,
) -> None:
    now = await users.by_id(conn, user.id)
    # Between the check of the password and now it may have been changed, or the account banned or deleted.
    if now is None or now.status != "active" or now.password_hash != user.password_hash:
        raise wrong_password()
    if rehashed is not None:
        await users.set_password_hash(conn, user.id, rehashed, now_ms)
    await store_login(conn, session, entry, event, now_ms)


async def refresh(call: Call, body: RefreshBody) -> Reply:
    """Exchange a refresh token for new tokens; the old one is void."""
    token = body.refresh_token if body.refresh_token is not None else call.cookies.get(REFRESH_COOKIE)
    if not token:
        raise UserError(401, "token_invalid", "no refresh token was given", field="refresh_token")
    claims = call.services.tokens.read_refresh(token, now_s=call.services.now_s())
    outcome = await call.run(
        _rotate,
        claims.sid,
        claims.jti,
        by_cookie=body.refresh_token is None,
        new_refresh_id=new_id("rft"),
        now_ms=call.now_ms,
        expires_at_ms=call.now_ms + call.services.settings.auth.refresh_ttl_s * 1000,
        reuse_entry=call.audit_entry("auth.refresh", "token_reused", target=claims.sid, actor=claims.sub),
    )
    match outcome:
        case (user, session):
            return signed_in(call, user, session, login=False)
        case "token_reused":
            call.services.live.revoke_user(claims.sub)
            raise UserError(401, "token_reused", "this refresh token was used before: the session has ended")
        case "token_expired":
            raise UserError(401, "token_expired", "the session has expired, sign in again")
        case _:
            raise UserError(401, "token_revoked", "the session has ended, sign in again")


async def _rotate(
    conn: Conn,
    session_id: str,
    presented_id: str,
    *,
    by_cookie: bool,
    new_refresh_id: str,
    now_ms: int,
    expires_at_ms: int,
    reuse_entry: AuditEntry,
) -> tuple[User, Session] | Literal["token_reused", "token_expired", "token_revoked"]:
    session = await sessions.by_id(conn, session_id)
    user = None if session is None else await users.by_id(conn, session.user_id)
    if session is None or user is None or user.status != "active" or (session.kind == "cookie") != by_cookie:
        return "token_revoked"
    state = RefreshState(
        refresh_id=session.refresh_id,
        previous_refresh_id=session.previous_refresh_id,
        rotated_at_ms=session.rotated_at_ms,
        expires_at_ms=session.expires_at_ms,
        revoked=session.revoked_at_ms is not None,
        cookie=session.kind == "cookie",
    )
    match judge_refresh(state, presented_id, now_ms):
        case Verdict.ROTATE:
            await sessions.rotate(
                conn, session_id, refresh_id=new_refresh_id, now_ms=now_ms, expires_at_ms=expires_at_ms
            )
            rotated = await sessions.by_id(conn, session_id)
            assert rotated is not None  # read above in this very transaction
            return user, rotated
        case Verdict.REUSED:
            await sessions.revoke(conn, session_id, "refresh token reused", now_ms)
            await audit.insert(conn, reuse_entry)
            return "token_reused"
        case Verdict.EXPIRED:
            return "token_expired"
        case Verdict.REVOKED:
            return "token_revoked"


async def logout(call: Call, body: Empty) -> Reply:
    """End this session: its access and refresh tokens are void at once."""
    await call.run(_end_session, call.signed_in.session.id, call.audit_entry("auth.logout"), call.now_ms)
    return Reply(data=Nothing(), cookies=cleared_cookies() if call.signed_in.by_cookie else ())


async def _end_session(conn: Conn, session_id: str, entry: AuditEntry, now_ms: int) -> None:
    await sessions.revoke(conn, session_id, "signed out", now_ms)
    await audit.insert(conn, entry)


async def csrf_token(call: Call) -> CsrfToken:
    """The token that cookie clients send as X-CSRF-Token with every write."""
    return CsrfToken(csrf_token=call.services.csrf.token(call.signed_in.session.id))
