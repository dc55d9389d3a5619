"""Who an access token speaks for: the session behind it, still good, and its account.

Owns the look into the database after `auth.tokens` found the signature good.
"""

from __future__ import annotations

from appliance.api.call import Call, Caller
from appliance.auth.tokens import AccessClaims
from appliance.errors import UserError
from appliance.store import sessions, users
from appliance.store.database import Conn
from appliance.store.sessions import Session
from appliance.store.users import User


async def recognise(call: Call, claims: AccessClaims, by_cookie: bool) -> Caller | None:
    """Who the token's session belongs to; None when it has ended. UserError 403 ``banned``."""
    found = await call.read(_session_and_user, claims.sid)
    if found is None:
        return None
    session, user = found
    if user.status == "banned":
        raise UserError(403, "banned", "this account is banned")
    if session.revoked_at_ms is not None or session.expires_at_ms <= call.now_ms or user.id != claims.sub:
        return None
    if (session.kind == "cookie") != by_cookie:
        return None
    return Caller(user=user, session=session, by_cookie=by_cookie)


async def _session_and_user(conn: Conn, session_id: str) -> tuple[Session, User] | None:
    session = await sessions.by_id(conn, session_id)
    user = None if session is None else await users.by_id(conn, session.user_id)
    return None if session is None or user is None else (session, user)
