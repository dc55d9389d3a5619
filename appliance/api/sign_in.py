"""Opening a session and writing it down as an answer: what login, register, setup and refresh share.

Owns the two forms of a sign-in (tokens in the body, or HttpOnly cookies); refuses to check passwords.
"""

from __future__ import annotations

from msgspec import structs

from appliance.api.call import Call, Cookie, Reply
from appliance.api.shapes import CookieSession, Tokens, user_view
from appliance.auth.rate_limit import network_of
from appliance.events.catalogue import UserLoggedIn
from appliance.events.envelope import Envelope
from appliance.ids import new_id
from appliance.store import audit, outbox, sessions, users
from appliance.store.audit import AuditEntry
from appliance.store.database import Conn
from appliance.store.sessions import Session, SessionKind
from appliance.store.users import User

ACCESS_COOKIE = "parley_access"
REFRESH_COOKIE = "parley_refresh"

# Live sign-ins of one account: more are somebody's script, and the oldest end.
MAX_SESSIONS = 50


def new_session(call: Call, user_id: str, kind: SessionKind) -> Session:
    """A session that begins now."""
    return Session(
        id=new_id("ses"),
        user_id=user_id,
        kind=kind,
        refresh_id=new_id("rft"),
        previous_refresh_id=None,
        created_at_ms=call.now_ms,
        rotated_at_ms=call.now_ms,
        expires_at_ms=call.now_ms + call.services.settings.auth.refresh_ttl_s * 1000,
        revoked_at_ms=None,
        revoked_reason=None,
        address=call.origin.address,
        user_agent=call.user_agent[:200],
    )


async def store_session(conn: Conn, session: Session, entry: AuditEntry, now_ms: int) -> None:
    """Repository function: add the session, its audit row and the time of the sign-in."""
    await sessions.insert(conn, session)
    await sessions.trim(conn, session.user_id, keep=MAX_SESSIONS, now_ms=now_ms)
    await users.set_last_login(conn, session.user_id, now_ms)
    await audit.insert(conn, entry)


async def store_login(conn: Conn, session: Session, entry: AuditEntry, event: Envelope, now_ms: int) -> None:
    """Repository function: add the session of an account that was there before, and tell whether its network is new."""
    networks = {network_of(address) for address in await sessions.addresses(conn, session.user_id)}
    new_address = bool(networks) and network_of(session.address) not in networks
    await store_session(conn, session, entry, now_ms)
    assert isinstance(event.event, UserLoggedIn)
    await outbox.add(conn, structs.replace(event, event=structs.replace(event.event, new_address=new_address)))


def signed_in(call: Call, user: User, session: Session, *, login: bool = True) -> Reply:
    """The answer that carries the session's tokens in the form that the client asked for."""
    services, auth = call.services, call.services.settings.auth
    if login:
        user = structs.replace(user, last_login_at_ms=call.now_ms)
    view = user_view(user)
    now_s = services.now_s()
    access = services.tokens.access(
        user_id=user.id, session_id=session.id, token_id=new_id("act"), now_s=now_s, ttl_s=auth.access_ttl_s
    )
    refresh = services.tokens.refresh(
        user_id=user.id, session_id=session.id, token_id=session.refresh_id, now_s=now_s, ttl_s=auth.refresh_ttl_s
    )
    if session.kind == "bearer":
        return Reply(
            data=Tokens(
                user=view,
                access_token=access,
                access_expires_in_s=auth.access_ttl_s,
                refresh_token=refresh,
                refresh_expires_in_s=auth.refresh_ttl_s,
            )
        )
    return Reply(
        data=CookieSession(
            user=view, csrf_token=services.csrf.token(session.id), access_expires_in_s=auth.access_ttl_s
        ),
        cookies=(
            Cookie(name=ACCESS_COOKIE, value=access, max_age_s=auth.access_ttl_s),
            Cookie(name=REFRESH_COOKIE, value=refresh, max_age_s=auth.refresh_ttl_s),
        ),
    )


def cleared_cookies() -> tuple[Cookie, ...]:
    """Removes both cookies."""
    return tuple(Cookie(name=name, value="", max_age_s=0) for name in (ACCESS_COOKIE, REFRESH_COOKIE))
